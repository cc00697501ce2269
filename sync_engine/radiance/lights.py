# SPDX-License-Identifier: GPL-3.0-or-later
"""Lights in an 8-bit panorama: its saturated areas, connected across the seam and over the poles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from sync_engine.radiance.directions import LUMINANCE, light_vector, pixel_directions, solid_angles

SATURATED_CHANNEL = 0.985
"""A pixel is saturated when its darkest sRGB channel reaches this …"""
SATURATED_LUMINANCE = 0.98
"""… or its linear luminance this."""
NEAR, NEAR_SUN = np.radians(60.0), np.radians(30.0)
"""A moon that was asked for stands within the first angle of its place, a sun, which has an hour, within the
second."""


@dataclass(frozen=True)
class Lights:
    """The saturated areas of one picture of ``(H, W)`` pixels.

    Attributes:
        labels: ``(H, W)`` int, 0 outside, light ``i`` has the label ``i + 1``; largest light first.
        depth: ``(H, W)`` distance to the nearest pixel that is not saturated, in pixels; 0 outside.
        solid_angle: ``(N,)`` steradians.
        direction: ``(N, 3)`` unit vectors, weighted by the squared depth.
        weight: ``(N,)`` ∫ depth² dω: large where a light is compact.
        inradius: ``(N,)`` greatest depth in radians.
    """

    labels: np.ndarray
    depth: np.ndarray
    solid_angle: np.ndarray
    direction: np.ndarray
    weight: np.ndarray
    inradius: np.ndarray

    @property
    def count(self) -> int:
        """How many lights there are."""
        return len(self.solid_angle)


class SkyLight(NamedTuple):
    """What is known of the light in the sky before looking.

    Attributes:
        direction: unit vector ``(3,)``, None for no light.
        strength: least irradiance from it over that from everything else, on a surface that faces it.
        reach: how far from there, in radians, it may be found in the picture; None: as far as is usual.
    """

    direction: np.ndarray | None
    strength: float = 0.0
    reach: float | None = None


def saturated(srgb: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Return the mask ``(H, W)`` of pixels that may be brighter than the picture can say."""
    return (srgb.min(axis=-1) >= SATURATED_CHANNEL) | (linear @ LUMINANCE >= SATURATED_LUMINANCE)


def find_lights(mask: np.ndarray) -> Lights:
    """Return the connected lights of a mask ``(H, W)``, wrapped in longitude and over the poles."""
    height, width = mask.shape
    labels = _connected(mask)
    depth = _depth(mask)
    area = np.broadcast_to(solid_angles(height, width), mask.shape)
    count = int(labels.max())
    index = np.arange(1, count + 1)
    solid_angle = ndimage.sum_labels(area, labels, index)
    order = np.argsort(-solid_angle, kind="stable")
    lookup = np.zeros(count + 1, dtype=np.int32)
    lookup[order + 1] = np.arange(1, count + 1)
    labels = lookup[labels]
    energy = depth.astype(np.float64) ** 2 * area
    directions = pixel_directions(height, width)
    moment = np.stack(
        [ndimage.sum_labels(energy * directions[..., axis], labels, index) for axis in range(3)], axis=-1
    )
    length = np.linalg.norm(moment, axis=-1, keepdims=True)
    return Lights(
        labels=labels,
        depth=depth,
        solid_angle=solid_angle[order],
        direction=moment / np.maximum(length, 1e-30),
        weight=ndimage.sum_labels(energy, labels, index),
        inradius=np.asarray(ndimage.maximum(depth, labels, index)).reshape(-1) * np.pi / height,
    )


def expected(mask: np.ndarray, sky: SkyLight | None) -> np.ndarray:
    """Return the part of a mask ``(H, W)`` that can be light: all of it where nothing is known of the sky.

    Where it has no light, what is white above the horizon is only white; else one light counts, the
    heaviest near the known place.
    """
    if sky is None:
        return mask
    height, width = mask.shape
    if sky.direction is None:
        return mask & (np.arange(height) >= height // 2)[:, None]
    reach = sky.reach or (NEAR_SUN if sky.strength > 0 else NEAR)
    near = mask & (pixel_directions(height, width) @ sky.direction >= np.cos(reach))
    if sky.strength > 0:
        near[height // 2 :] = False  # white sand is no sun
    if not near.any():
        return near
    lights = find_lights(near)
    return lights.labels == int(np.argmax(lights.weight)) + 1


def energy_shares(lights: Lights, most: int) -> np.ndarray:
    """Return the share of the energy that each of the ``most`` largest lights has: as of solid angle."""
    kept = lights.solid_angle[:most]
    return kept / kept.sum()


def energy_map(lights: Lights, shares: np.ndarray) -> np.ndarray:
    """Return radiance ``(H, W)`` that is 1 over the whole sphere: squared depth within each light."""
    scale = np.zeros(lights.count + 1)
    scale[1 : len(shares) + 1] = shares / lights.weight[: len(shares)]
    return scale[lights.labels] * lights.depth.astype(np.float64) ** 2


def _connected(mask: np.ndarray) -> np.ndarray:
    """Label with 8-neighbours; labels that meet at the seam or around a pole become one."""
    labels = np.zeros(mask.shape, dtype=np.int32)
    count = int(ndimage.label(mask, structure=np.ones((3, 3)), output=labels))  # type: ignore[arg-type]
    parent = np.arange(count + 1)

    def root(label: int) -> int:
        while parent[label] != label:
            label = parent[label]
        return label

    def join(first: int, second: int) -> None:
        low, high = sorted((root(first), root(second)))
        parent[high] = low

    for shift in (-1, 0, 1):
        first, last = labels[:, 0], np.roll(labels[:, -1], shift)
        if shift:
            last[0 if shift == 1 else -1] = 0
        for a, b in {(int(a), int(b)) for a, b in zip(first, last, strict=True) if a and b}:
            join(a, b)
    for row in (labels[0], labels[-1]):  # all pixels of the first and last row touch the pole
        touching = np.unique(row[row > 0])
        for label in touching[1:]:
            join(int(touching[0]), int(label))
    roots = np.array([root(label) for label in range(count + 1)])
    _, compact = np.unique(roots, return_inverse=True)
    return compact.astype(np.int32)[labels]


def _depth(mask: np.ndarray) -> np.ndarray:
    """Distance to the nearest pixel outside, in pixels, wrapped; a full mask has depth H / 2."""
    height, width = mask.shape
    if mask.all():
        return np.full(mask.shape, height / 2, dtype=np.float32)
    margin = min(width // 2, height // 2)
    over = np.roll(mask, width // 2, axis=1)[::-1]  # what lies beyond a pole
    tall = np.concatenate([over[-margin:], mask, over[:margin]])
    wide = np.concatenate([tall[:, -margin:], tall, tall[:, :margin]], axis=1)
    distance = np.zeros(wide.shape, dtype=np.float64)
    ndimage.distance_transform_edt(wide, distances=distance)
    return distance[margin : margin + height, margin : margin + width].astype(np.float32)


def main_direction(lights: Lights) -> np.ndarray | None:
    """Return the direction of all lights together, weighted by squared depth; None without any."""
    if not lights.count:
        return None
    vector = light_vector(lights.depth.astype(np.float64) ** 2)
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else None
