# SPDX-License-Identifier: GPL-3.0-or-later
"""A sun that a prompt asked for shines, whether the picture shows it white or not."""

from __future__ import annotations

import numpy as np
import pytest

from sync_engine.canvas.views import View
from sync_engine.prompting.sun_in_prompt import GUIDED_REACH, STRENGTHS, strength_at
from sync_engine.radiance.directions import LUMINANCE, irradiance, pixel_directions, reduced
from sync_engine.radiance.expand import expand
from sync_engine.radiance.lights import SkyLight
from sync_engine.radiance.srgb import to_linear
from sync_engine.radiance.sun import hidden_sun, sun_colour
from tests.small_models.pictures import sky

LOW = np.array([0.9, 0.4, 0.1]) / np.linalg.norm([0.9, 0.4, 0.1])


def glowing(place: np.ndarray, glow: float = 0.3, height: int = 256) -> np.ndarray:
    """An sRGB sky that is nowhere near white, a little brighter around ``place``; dark ground."""
    directions = pixel_directions(height, 2 * height)
    angle = np.degrees(np.arccos(np.clip(directions @ place, -1, 1)))
    above = np.where(directions[..., 2] > 0, 0.4 + glow * np.exp(-((angle / 15) ** 2)), 0.2)
    return above[..., None] * np.array([0.8, 0.9, 1.0])


def facing(radiance: np.ndarray, direction: np.ndarray) -> float:
    """The irradiance of a surface that faces a direction."""
    return float(irradiance(reduced(radiance @ LUMINANCE, 512), direction[None])[0])


@pytest.mark.parametrize("strength", [0.95, 3.9])
def test_a_sun_that_is_not_painted_white_shines_from_the_brightest_place_near(strength: float) -> None:
    told = np.array([0.95, 0.3, 0.1]) / np.linalg.norm([0.95, 0.3, 0.1])  # 7 degrees beside the glow
    picture = glowing(LOW)
    assert expand(picture).report["lights"] == []
    made = expand(picture, exposure=0.0, sky=SkyLight(told, strength))
    (light,) = made.report["lights"]
    assert light["kind"] == "sun"
    assert abs(light["azimuth"] - np.degrees(np.arctan2(LOW[1], LOW[0]))) < 3
    assert abs(light["elevation"] - np.degrees(np.arcsin(LOW[2]))) < 3
    ambient = facing(to_linear(picture), LOW)
    assert (facing(made.radiance, LOW) - ambient) / ambient == pytest.approx(strength, rel=0.1)
    changed = np.abs(made.radiance - to_linear(picture)).max(axis=-1) > 1e-4
    assert 0 < changed.sum() < 100, "disc and aureole alone, five degrees wide"


def test_a_sun_that_a_guide_places_stands_there_whatever_is_bright_beside_it() -> None:
    """A glow 11 degrees away, and a white disc there: the sun is within its reach of where it was asked."""
    asked = np.array([0.9, 0.2, 0.1]) / np.linalg.norm([0.9, 0.2, 0.1])
    for picture in (glowing(LOW), glowing(LOW, 4.0).clip(0, 1)):
        angles = []
        for reach in (None, GUIDED_REACH):
            (light,) = expand(picture, sky=SkyLight(asked, 3.0, reach)).report["lights"]
            place = View(light["azimuth"], light["elevation"], 90).axes()[0].numpy()
            angles.append(np.degrees(np.arccos(place @ asked)))
        assert angles[0] > 6
        assert angles[1] < 5


def test_a_white_sun_is_as_strong_as_its_elevation_says_at_least() -> None:
    direction = np.array([0.6, 0.5, 0.62]) / np.linalg.norm([0.6, 0.5, 0.62])
    weak, known = expand(sky()), expand(sky(), sky=SkyLight(direction, 3.9))
    assert weak.report["k"] < 3.9
    assert known.report["k"] == 3.9
    assert [light["kind"] for light in known.report["lights"]] == ["sun"]
    assert known.report["lights"][0]["azimuth"] == weak.report["lights"][0]["azimuth"]
    assert known.report["lights"][0]["colour"] == pytest.approx(sun_colour(np.arcsin(direction[2])), abs=0.02)
    assert expand(sky(), sky=SkyLight(direction, 0.01)).report["k"] == weak.report["k"]


def test_a_soft_sun_that_is_painted_counts_before_the_place_where_it_was_asked_for() -> None:
    painted = np.array([0.6, 0.5, 0.62]) / np.linalg.norm([0.6, 0.5, 0.62])
    told = np.array([0.8, 0.25, 0.55]) / np.linalg.norm([0.8, 0.25, 0.55])  # 20 degrees beside it
    (light,) = expand(sky(glow=4.0) * 0.85, sky=SkyLight(told, 3.0)).report["lights"]
    assert abs(light["azimuth"] - np.degrees(np.arctan2(painted[1], painted[0]))) < 3


@pytest.mark.parametrize("white", [(0.2, 0.95, 0.25), (0.9, 0.3, -0.25)])
def test_what_is_white_far_from_the_sun_or_below_the_horizon_is_not_the_sun(white) -> None:
    told = np.array([0.9, 0.3, 0.2]) / np.linalg.norm([0.9, 0.3, 0.2])
    picture, direction = glowing(told), np.array(white) / np.linalg.norm(white)
    picture[pixel_directions(*picture.shape[:2]) @ direction > np.cos(np.radians(4))] = 1.0
    (light,) = expand(picture, sky=SkyLight(told, 3.0)).report["lights"]
    assert abs(light["azimuth"] - np.degrees(np.arctan2(told[1], told[0]))) < 3
    assert light["elevation"] > 5


def test_what_the_user_sets_counts_more_than_what_is_known() -> None:
    told = SkyLight(LOW, 3.0)
    assert expand(glowing(LOW), sun_stops=1.0, sky=told).report["k"] == 2.0
    assert expand(glowing(LOW), ldr=True, sky=told).report["lights"] == []


def test_a_moon_that_is_not_painted_is_not_put_there() -> None:
    assert expand(glowing(LOW), sky=SkyLight(LOW)).report["lights"] == []


def test_no_sun_stands_in_a_dark_sky_or_below_the_horizon() -> None:
    assert expand(glowing(LOW) * 0.1, sky=SkyLight(LOW, 3.0)).report["lights"] == []
    light = to_linear(glowing(LOW))
    light[130:] = 1.0  # snow, brighter than the sky
    found = hidden_sun(light, LOW)
    assert found is not None
    assert not found[0][128:].any()


def test_sunlight_is_white_above_and_red_below_of_one_brightness() -> None:
    colours = [sun_colour(np.radians(elevation)) for elevation in (-5, 3, 10, 30, 60, 90)]
    assert all(colour @ LUMINANCE == pytest.approx(1) for colour in colours)
    warmth = [colour[0] / colour[2] for colour in colours]
    assert warmth == sorted(warmth, reverse=True)
    assert warmth[-1] < 1.25
    assert warmth[1] > 5


def test_a_suns_strength_grows_with_its_elevation() -> None:
    assert strength_at(3.2) == STRENGTHS[3.2]
    between = [strength_at(elevation) for elevation in range(0, 90, 5)]
    assert between == sorted(between)
    assert 3.5 < strength_at(45.0) < 3.9
