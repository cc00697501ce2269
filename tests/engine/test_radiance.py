# SPDX-License-Identifier: GPL-3.0-or-later
"""The light: connected areas, a sun's energy, what stays dark, and the overrides."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sync_engine.radiance.directions import (
    LUMINANCE,
    irradiance,
    light_vector,
    pixel_directions,
    solid_angles,
)
from sync_engine.radiance.expand import expand
from sync_engine.radiance.lights import SkyLight, energy_map, energy_shares, find_lights
from sync_engine.radiance.srgb import to_linear
from tests.small_models.pictures import sky


def test_a_light_across_the_seam_is_one() -> None:
    mask = np.zeros((64, 128), dtype=bool)
    mask[20:24, :3] = mask[20:24, -3:] = True
    lights = find_lights(mask)
    assert lights.count == 1
    assert lights.direction[0] @ (-1, 0, 0) > 0.7
    assert abs(lights.direction[0][1]) < 1e-3


def test_a_light_over_the_pole_is_one() -> None:
    mask = np.zeros((64, 128), dtype=bool)
    mask[:2, 10:14] = mask[:2, 74:78] = True
    assert find_lights(mask).count == 1


def test_energy_goes_to_lights_by_their_solid_angle() -> None:
    """A window of twice the size gives twice the light; the smallest beyond the limit gives none."""
    mask = np.zeros((64, 128), dtype=bool)
    mask[30:34, 10:18] = mask[30:34, 40:44] = mask[32, 80] = True
    lights = find_lights(mask)
    shares = energy_shares(lights, 2)
    assert np.allclose(shares, (2 / 3, 1 / 3), atol=1e-3)
    energy = energy_map(lights, shares) * solid_angles(64, 128)
    assert np.allclose(
        (energy[:, 10:18].sum(), energy[:, 40:44].sum(), energy[:, 80].sum()), (*shares, 0), atol=1e-6
    )


def test_training_aims_where_an_error_costs_least() -> None:
    """The head is off by UNSURE: it aims below a sharp rise, and where nothing helps at no light."""
    from training.light import STRENGTHS, TOO_BAD, target

    k = np.log(STRENGTHS)
    even = np.minimum(0.1 + 0.3 * np.abs(k - 0.5), 1.0)
    assert abs(target(even) - 0.5) < 0.2
    steep = np.where(k > 0.5, TOO_BAD + 2 * (k - 0.5), even)
    assert target(steep) < -0.3
    assert target(np.where(k > -4, 1.0 + np.exp(k), 1.0)) < -4


def test_full_sphere_is_four_pi() -> None:
    assert np.isclose(solid_angles(64, 128).sum() * 128, 4 * np.pi)
    around = irradiance(np.ones((64, 128), dtype=np.float32), np.eye(3))
    assert np.allclose(around, np.pi, rtol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("height", [128, 256, 1024])
@pytest.mark.parametrize("direction", [(1, 0, 0.6), (-1, 0.002, 0.5), (0.05, 0.05, 1)])
def test_a_set_sun_has_its_energy_and_direction(height: int, direction) -> None:
    """``sun_stops`` is the light's irradiance over everything else's, at every size and place."""
    picture = sky(direction, height)
    plain = to_linear(picture)
    made = expand(picture, sun_stops=1.0, exposure=0.0)
    extra = (made.radiance - plain) @ LUMINANCE
    vector = light_vector(extra.astype(np.float64))
    toward = vector / np.linalg.norm(vector)
    wanted = np.array(direction) / np.linalg.norm(direction)
    assert np.degrees(np.arccos(min(1.0, toward @ wanted))) < 1.5
    added = np.linalg.norm(vector)
    assert np.isclose(added, sum(light["energy"] for light in made.report["lights"]), rtol=0.02)
    from sync_engine.radiance.directions import reduced

    ambient = irradiance(reduced(plain @ LUMINANCE, 128), wanted[None])[0]
    assert np.isclose(added / ambient, 2.0, rtol=0.1)
    assert made.report["lights"][0]["kind"] == "sun"
    assert made.radiance.dtype == np.float32


def test_a_clear_day_gets_a_sun_and_is_darkened_for_it() -> None:
    made = expand(sky())
    assert made.report["lights"][0]["kind"] == "sun"
    assert made.report["k"] > 0.2
    assert made.report["exposure"] <= 0
    assert made.radiance.max() > 100


def test_overrides() -> None:
    picture = sky()
    assert np.array_equal(expand(picture, ldr=True, exposure=0.0).radiance, to_linear(picture))
    brighter = expand(picture, exposure=1.0).radiance
    assert np.allclose(brighter, 2 * expand(picture, exposure=0.0).radiance)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_an_even_picture_gets_no_light(value: float) -> None:
    made = expand(np.full((64, 128, 3), value), exposure=0.0)
    assert made.report["lights"] == []
    assert np.allclose(made.radiance, to_linear(np.full((64, 128, 3), value)))


def test_a_soft_sun_is_found_and_an_overcast_sky_has_none() -> None:
    soft = sky(glow=4.0) * 0.85
    assert expand(soft, exposure=0.0).report["lights"]
    directions = pixel_directions(256, 512)
    overcast = np.clip(0.3 + 0.5 * directions[..., 2:], 0.1, 0.75) * np.ones(3)
    assert expand(overcast).report["lights"] == []
    night = np.full((256, 512, 3), 0.03)
    assert expand(night).report["lights"] == []
    assert expand(night).report["exposure"] == 0.0


def test_where_the_sun_is_known_nothing_else_is_a_light() -> None:
    toward = np.array([1.0, 0.0, 0.6]) / np.hypot(1.0, 0.6)
    picture = np.maximum(sky((1, 0, 0.6)), sky((-1, 0.3, 0.2)))
    assert len(expand(picture).report["lights"]) == 2
    (light,) = expand(picture, sky=SkyLight(toward)).report["lights"]
    assert abs(light["azimuth"]) < 2
    assert abs(light["elevation"] - np.degrees(np.arcsin(toward[2]))) < 2
    assert expand(sky((-1, 0.3, 0.2)), sky=SkyLight(toward)).report["lights"] == []


def test_a_covered_sky_that_is_white_is_no_light_but_a_lamp_below_it_is_one() -> None:
    height = 256
    directions = pixel_directions(height, 2 * height)
    fog = np.where(directions[..., 2:] > 0.5, 1.0, 0.4) * np.ones(3)
    assert expand(fog, exposure=0.0).report["lights"]
    assert expand(fog, exposure=0.0, sky=SkyLight(None)).report["lights"] == []
    assert expand(fog, exposure=0.0, sun_stops=1.0, sky=SkyLight(None)).report["lights"]
    lamp = np.where(directions @ np.array([0.8, 0.0, -0.6]) > 0.995, 1.0, fog[..., 0])[..., None] * np.ones(3)
    (light,) = expand(lamp, exposure=0.0, sky=SkyLight(None)).report["lights"]
    assert light["elevation"] < 0


def test_a_sky_just_at_white_gets_no_hard_specks() -> None:
    """Where clouds reach white here and there, the mask is a scatter of specks: their light must be soft."""
    height = 256
    noise = gaussian_filter(
        np.random.default_rng(0).standard_normal((height, 2 * height)), 2, mode=("nearest", "wrap")
    )
    picture = np.full((height, 2 * height, 3), 0.3)
    picture[: height // 2] = (0.97 + 0.012 * noise[: height // 2] / noise.std())[..., None]
    found = expand(np.round(picture.clip(0, 1) * 255) / 255, sun_stops=0.0)
    assert {light["kind"] for light in found.report["lights"]} == {"soft"}
    stops = np.log2(found.radiance[: height // 2 - 8].mean(axis=-1))
    assert stops.max() - stops.min() > 2, "the lights have their energy"
    steps = np.abs(np.diff(stops, axis=1))
    assert steps.max() < 1.6, f"{steps.max():.1f} stops from one pixel to the next; 5.1 without the soft edge"
