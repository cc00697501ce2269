# SPDX-License-Identifier: GPL-3.0-or-later
"""Expand an 8-bit panorama to radiance: what was clipped gets back the light it stood for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from sync_engine.radiance import head
from sync_engine.radiance.directions import (
    LUMINANCE,
    irradiance,
    normals,
    pixel_directions,
    reduced,
    solid_angles,
)
from sync_engine.radiance.features import features
from sync_engine.radiance.lights import (
    Lights,
    SkyLight,
    energy_map,
    energy_shares,
    expected,
    find_lights,
    saturated,
)
from sync_engine.radiance.srgb import to_linear
from sync_engine.radiance.sun import hidden_sun, sun_colour
from sync_engine.radiance.sun_disc import add_sun

ANALYSIS_WIDTH = 512
MOST_LIGHTS = 16
SUN_INRADIUS = np.radians(8.0)
"""A light whose inner circle is wider than this is a sky or a window, not a sun with its glow."""
SUN_SHARE, SUN_K = 0.5, 0.15
"""A sun has at least this share of ∫ depth² dω of all lights, and they are so strong beside the rest."""
SOFT_PEAK, SOFT_LEVEL, SOFT_AREA, SOFT_SURROUND = 0.4, 0.93, 0.12, 0.6
"""A soft sun: a peak of this luminance, an area (sr) above that part of it, and a darker surround."""
SOFT_EDGE = 2.0
"""Deviation of the blur of soft lights in pixels of the analysis: where a cloud is just white enough, the
mask falls into specks, and their hard edges would show in the World."""
BALL_ALBEDO, BALL_TARGET = 0.8, 0.22
"""A white ball of this albedo is brought down to this mean radiance; AgX shows 0.18 as middle grey."""


@dataclass(frozen=True)
class Expanded:
    """The result of ``expand``.

    Attributes:
        radiance: ``(H, W, 3)`` float32, linear Rec.709.
        report: what was found and done, plain JSON values.
    """

    radiance: np.ndarray
    report: dict[str, Any]


def expand(
    srgb: np.ndarray,
    sun_stops: float | None = None,
    ldr: bool = False,
    exposure: float | None = None,
    weights: dict[str, np.ndarray] | None = None,
    sky: SkyLight | None = None,
) -> Expanded:
    """Return the radiance of an equirectangular sRGB picture.

    Args:
        srgb: ``(H, W, 3)`` in [0, 1], W = 2 H.
        sun_stops: strength of the lights in stops over everything else, on a surface that faces
            them (0: as strong); None: estimated.
        ldr: keep the picture's own range: no light is added.
        exposure: EV applied at the end; None darkens a world whose lights would burn a white ball out.
        weights: the head's coefficients, the bundled ones by default.
        sky: the sky's light where it is known, as in a world whose model was told of it. A sun that is
            known stands in the World even where the picture shows none.
    """
    linear = to_linear(srgb)
    forced = sun_stops is not None
    if forced and sky is not None and sky.direction is None:  # a light was asked for against the words
        sky = None
    found = None if ldr else _analyse(srgb, linear, forced, sky)
    k = 0.0
    added: list[dict[str, Any]] = []
    if found is not None:
        known = sky.strength if sky is not None else 0.0
        estimated = max(head.strength(found.features, weights), known)
        k = 2.0**sun_stops if sun_stops is not None else estimated
        if k > 0:
            added = _add_lights(linear, found, k, known > 0)
    ev = exposure if exposure is not None else _exposure(linear)
    if ev:
        linear *= np.float32(2.0**ev)
    report = {"lights": added, "k": round(k, 4), "exposure": round(ev, 3), "ldr": ldr, "sun_stops": sun_stops}
    return Expanded(linear, report)


@dataclass(frozen=True)
class _Found:
    lights: Lights
    features: np.ndarray
    ambient: float
    shares: np.ndarray
    peak: float
    tint: np.ndarray


def _analyse(srgb: np.ndarray, linear: np.ndarray, forced: bool, sky: SkyLight | None) -> _Found | None:
    """Find the lights at a small size; None where there is none to be told from the rest."""
    light = reduced(linear, ANALYSIS_WIDTH)
    picture = reduced(srgb, ANALYSIS_WIDTH)
    mask = reduced(saturated(srgb, linear).astype(np.float32), ANALYSIS_WIDTH) >= 0.5
    mask = expected(mask, sky)
    sun = sky.direction if sky is not None and sky.strength > 0 else None
    if not mask.any():
        reach = sky.reach if sky is not None else None
        scaled = _soft_light(light, forced, sky) or (None if sun is None else hidden_sun(light, sun, reach))
        if scaled is None:
            return None
        mask, scale = scaled
        light, picture = np.minimum(light / scale, 1), np.minimum(picture / max(picture.max(), 1e-6), 1)
    if mask.mean() > 0.9:  # white all over: no place is brighter than another
        return None
    lights = find_lights(mask)
    shares = energy_shares(lights, MOST_LIGHTS)
    around = normals()
    peak = float(irradiance(reduced(energy_map(lights, shares), 128), around).max())
    direction = (shares[:, None] * lights.direction[: len(shares)]).sum(axis=0)
    nearest = around[int(np.argmax(around @ direction))]
    # in the picture's own scale, not that of a scaled soft peak
    ambient = float(irradiance(reduced(reduced(linear, ANALYSIS_WIDTH) @ LUMINANCE, 128), nearest[None])[0])
    if sun is None:
        rim = np.median(light[mask], axis=0)
        tint = rim / max(float(rim @ LUMINANCE), 1e-6)
    else:  # neither white nor the sky around it tells its colour
        tint = sun_colour(float(np.arcsin(np.clip(lights.direction[0, 2], -1, 1))))
    return _Found(lights, features(picture, light, lights), ambient, shares, peak, tint)


def _soft_light(light: np.ndarray, forced: bool, sky: SkyLight | None) -> tuple[np.ndarray, float] | None:
    """Return the mask of a soft sun where one can be, and its level."""
    found = _soft_peak(light, forced)
    if found is None:
        return None
    mask = expected(found[0], sky)
    return (mask, found[1]) if mask.any() else None


def _soft_peak(light: np.ndarray, forced: bool) -> tuple[np.ndarray, float] | None:
    """Return the mask of a sun that never reaches white, and its level; ``forced`` takes any peak."""
    luminance = light @ LUMINANCE
    height, width = luminance.shape
    area = np.broadcast_to(solid_angles(height, width), luminance.shape)
    peak = float(luminance[: height // 2].max())
    if peak < (1e-3 if forced else SOFT_PEAK):
        return None
    mask = luminance >= SOFT_LEVEL * peak
    mask[height // 2 :] = False
    if forced:
        return mask, peak
    if area[mask].sum() > SOFT_AREA:
        return None
    row, column = np.unravel_index(int(np.argmax(np.where(mask, luminance, -1))), luminance.shape)
    cosine = pixel_directions(height, width) @ pixel_directions(height, width)[row, column]
    ring = (cosine < np.cos(np.radians(12))) & (cosine > np.cos(np.radians(25)))
    if luminance[ring].mean() > SOFT_SURROUND * peak:
        return None
    return mask, peak


def _add_lights(linear: np.ndarray, found: _Found, k: float, known: bool) -> list[dict[str, Any]]:
    """Add the lights' energy to ``linear`` in place, a ``known`` light's as a sun; return what each got."""
    lights, height, width = found.lights, *linear.shape[:2]
    energy = k * found.ambient / found.peak * found.shares
    compact = lights.weight[: len(energy)] / lights.weight[: len(energy)].sum()
    added, soft = [], np.zeros(lights.count + 1, dtype=np.float32)
    for index, amount in enumerate(energy):
        direction = lights.direction[index]
        sun = known or (
            compact[index] >= SUN_SHARE
            and k >= SUN_K
            and direction[2] > -0.05
            and lights.inradius[index] <= SUN_INRADIUS
        )
        if sun:
            add_sun(linear, direction, amount * found.tint)
        else:
            soft[index + 1] = amount / lights.weight[index]
        azimuth = float(np.degrees(np.arctan2(direction[1], direction[0])))
        elevation = float(np.degrees(np.arcsin(np.clip(direction[2], -1, 1))))
        added.append(
            {
                "kind": "sun" if sun else "soft",
                "azimuth": round(azimuth, 2),
                "elevation": round(elevation, 2),
                "energy": round(float(amount), 5),
                "colour": [round(float(value), 4) for value in found.tint],
            }
        )
    if soft.any():
        shape = soft[lights.labels] * lights.depth**2
        shape = gaussian_filter(shape, SOFT_EDGE, mode=["nearest", "wrap"])  # pyright: ignore[reportArgumentType]
        if shape.shape != (height, width):  # the mean over each block of pixels stays as it is
            image = Image.fromarray(shape.astype(np.float32))
            shape = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
        shape = shape * np.float32(
            sum(a["energy"] for a in added if a["kind"] == "soft")
            / max(float((shape * solid_angles(height, width)).sum()), 1e-12)
        )
        for channel in range(3):
            linear[..., channel] += shape * np.float32(found.tint[channel])
    return added


def _exposure(linear: np.ndarray) -> float:
    """Return the EV that brings a white ball down to middle values; 0 where it is no brighter."""
    small = reduced(linear @ LUMINANCE, 128)
    ball = BALL_ALBEDO * float(irradiance(small, normals()).mean()) / np.pi
    return float(min(0.0, np.log2(BALL_TARGET / ball))) if ball > 0 else 0.0
