# SPDX-License-Identifier: GPL-3.0-or-later
"""What an 8-bit panorama tells about the strength of its lights, as numbers for the head."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sync_engine.radiance.directions import LUMINANCE, irradiance, reduced, solid_angles
from sync_engine.radiance.lights import Lights, main_direction

RINGS = (1.2, 2.3, 4.5, 9.0, 18.0, 36.0)
"""Outer borders of the rings around a light, in units of 1/512 of the picture's width."""
DARK = 1e-3
GLOBAL = (
    "saturated",
    "lights",
    "largest",
    "together",
    "main_elevation",
    "facing",
    "upward",
    "median",
    "tail_half",
    "tail_top",
    "dark_tail",
    "up_mean",
    "down_mean",
    "horizon",
    "down_contrast",
    "down_sun",
    "blue_up",
    "blue_down",
    "rough_up",
    "rough_down",
    "opposite",
)
OWN = (
    "area",
    "inradius",
    "compact",
    "share",
    "elevation",
    "ring1",
    "ring2",
    "ring3",
    "ring4",
    "ring5",
    "ring6",
    "rim_red",
    "rim_blue",
    "white",
)


def _log(value: float | np.ndarray, floor: float = DARK) -> np.ndarray:
    return np.log(np.maximum(value, floor))


def global_features(linear: np.ndarray, lights: Lights) -> np.ndarray:
    """Return ``(len(GLOBAL),)``: the picture as a whole. ``linear`` is ``(H, W, 3)``, white = 1."""
    height, width = linear.shape[:2]
    luminance = linear @ LUMINANCE
    area = np.broadcast_to(solid_angles(height, width), luminance.shape)
    outside = lights.labels == 0
    main = main_direction(lights)
    if main is None:
        main = np.array([0.0, 0.0, 1.0])
    up = np.array([0.0, 0.0, 1.0])
    small = reduced(luminance, 128)
    facing, opposite, above, below = irradiance(small, np.stack([main, -main, up, -up]))
    total = lights.weight.sum()
    largest = lights.weight.max() / total if total > 0 else 0.0
    together = (
        np.linalg.norm((lights.weight[:, None] * lights.direction).sum(axis=0)) / total if total > 0 else 0.0
    )
    order = np.sort(small.ravel())

    def share_above(level: float) -> float:
        return float(area[luminance > level].sum()) / (4 * np.pi)

    half = height // 2
    upper, lower = slice(0, half - height // 16), slice(half + height // 16, height - height // 16)

    def mean(rows: slice) -> float:
        weight = area[rows] * outside[rows]
        return float((luminance[rows] * weight).sum() / max(weight.sum(), 1e-9))

    def log_spread(rows: slice) -> tuple[float, float]:
        values = _log(luminance[rows][outside[rows]])
        if not values.size:
            return 0.0, 0.0
        low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
        return float(high - low), float(high - middle)

    def blue(rows: slice) -> float:
        weight = (area[rows] * outside[rows])[..., None]
        red, _, blue = (linear[rows] * weight).sum(axis=(0, 1)) / max(weight.sum(), 1e-9)
        return float(_log(blue) - _log(red))

    def rough(rows: slice) -> float:
        values = _log(luminance[rows])
        return float(np.log(np.abs(np.diff(values, axis=1)).mean() + 1e-3))

    spread, bright = log_spread(lower)
    return np.array(
        [
            _log(lights.solid_angle.sum() / (4 * np.pi), 1e-5),
            np.log(1 + lights.count),
            largest,
            together,
            main[2],
            _log(facing) - _log(opposite),
            _log(above) - _log(below),
            _log(order[len(order) // 2]),
            _log(share_above(0.5), 1e-4) - _log(share_above(0.9), 1e-4),
            _log(share_above(0.8), 1e-4) - _log(share_above(0.97), 1e-4),
            _log(order[len(order) // 2]) - _log(order[len(order) // 10]),
            _log(mean(upper)),
            _log(mean(lower)),
            _log(mean(slice(half - height // 16, half + height // 16))),
            spread,
            bright,
            blue(upper),
            blue(lower),
            rough(upper),
            rough(lower),
            _log(mean(lower) * np.pi) - _log(above),
        ],
        dtype=np.float64,
    )


def own_features(srgb: np.ndarray, linear: np.ndarray, lights: Lights) -> np.ndarray:
    """Return ``(N, len(OWN))``: each light's size, place, surroundings and tint."""
    width = linear.shape[1]
    luminance = linear @ LUMINANCE
    unit = width / 512
    distance, nearest = _nearest(lights.labels)
    ring = np.searchsorted(np.array(RINGS) * unit, distance)
    ring[distance == 0] = len(RINGS)
    bins = (nearest - 1) * (len(RINGS) + 1) + ring
    size = lights.count * (len(RINGS) + 1)

    def by_ring(values: np.ndarray) -> np.ndarray:
        summed = np.bincount(bins.ravel(), weights=values.ravel(), minlength=size)
        return summed.reshape(lights.count, len(RINGS) + 1)[:, : len(RINGS)]

    pixels = by_ring(np.ones_like(luminance))
    rings = by_ring(_log(luminance)) / np.maximum(pixels, 1)
    for index in range(1, len(RINGS)):  # a ring that other lights swallowed continues the one inside
        empty = pixels[:, index] == 0
        rings[empty, index] = rings[empty, index - 1]
    rim = np.stack([by_ring(linear[..., channel])[:, :2].sum(axis=1) for channel in range(3)], axis=-1)
    rim = _log(rim / np.maximum(pixels[:, :2].sum(axis=1), 1)[:, None])
    white = np.bincount(
        lights.labels.ravel(), weights=(srgb.min(axis=-1) >= 0.998).ravel(), minlength=lights.count + 1
    )[1:]
    inside = np.bincount(lights.labels.ravel(), minlength=lights.count + 1)[1:]
    inradius = np.maximum(lights.inradius, 1e-4)
    return np.column_stack(
        [
            np.log(lights.solid_angle),
            np.log(inradius),
            np.log(lights.solid_angle / (np.pi * inradius**2)),
            np.log(np.maximum(lights.weight / max(lights.weight.sum(), 1e-30), 1e-6)),
            lights.direction[:, 2],
            rings,
            rim[:, 0] - rim[:, 1],
            rim[:, 2] - rim[:, 1],
            white / np.maximum(inside, 1),
        ]
    )


def _nearest(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each pixel's distance to the nearest light in pixels, and that light's label."""
    margin = labels.shape[1] // 8
    wide = np.concatenate([labels[:, -margin:], labels, labels[:, :margin]], axis=1)
    found = ndimage.distance_transform_edt(wide == 0, return_indices=True)
    distance, (rows, columns) = found  # type: ignore[misc]
    inner = slice(margin, margin + labels.shape[1])
    return np.asarray(distance)[:, inner], wide[rows, columns][:, inner]


def features(srgb: np.ndarray, linear: np.ndarray, lights: Lights) -> np.ndarray:
    """Return the picture's features and those of its heaviest light, the head's input ``(F,)``."""
    own = own_features(srgb, linear, lights)[int(np.argmax(lights.weight))]
    return np.concatenate([global_features(linear, lights), own])
