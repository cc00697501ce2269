# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangles to distances: what lies nearest along the ray of every pixel. numpy alone, for any thread.

Every pixel's own ray is tested, not a neighbour's: a ground plane seen at a flat angle is as exact as a wall.
Triangles are split until they are small, and each is tried at the pixels of the cone around it.
"""

from __future__ import annotations

import numpy as np

SMALL = np.radians(2.0)
"""Triangles whose cone has a larger radius are split, as long as that many rays pass through it."""
MOST_SPLITS = 40
AT_ONCE = 2**18
"""Triangles, and pairs of a triangle and a ray, that are computed at once."""
NEAREST = 1e-6


class World:
    """Rays of an equirectangular picture, 2·height × height; x is right, y ahead, z up.

    What lies at +Y is in the middle column; azimuth grows to the left.
    """

    def __init__(self, height: int) -> None:
        self.height, self.width = height, 2 * height
        azimuth = (0.5 - (np.arange(self.width) + 0.5) / self.width) * 2 * np.pi
        elevation = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
        flat = np.cos(elevation)[:, None]
        self.rays = np.stack(
            [
                -flat * np.sin(azimuth),
                flat * np.cos(azimuth),
                np.broadcast_to(np.sin(elevation)[:, None], (height, self.width)),
            ],
            axis=-1,
        ).reshape(-1, 3)

    def boxes(self, middle: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first row and column ``(N, 2)`` and rows and columns ``(N, 2)`` that hold N cones."""
        elevation = np.arcsin(np.clip(middle[:, 2], -1, 1))
        azimuth = np.arctan2(-middle[:, 0], middle[:, 1])
        top = _first((0.5 - (elevation + radius) / np.pi) * self.height).clip(0)
        bottom = _last((0.5 - (elevation - radius) / np.pi) * self.height).clip(max=self.height - 1)
        ratio = np.sin(np.minimum(radius, np.pi / 2)) / np.maximum(np.cos(elevation), 1e-9)
        polar = np.abs(elevation) + radius >= np.pi / 2 - 1e-6
        half = np.where(polar, np.pi, np.arcsin(np.clip(ratio, 0, 1)))
        left = _first((0.5 - (azimuth + half) / (2 * np.pi)) * self.width)
        right = _last((0.5 - (azimuth - half) / (2 * np.pi)) * self.width)
        columns = np.minimum(right - left + 1, self.width)
        return np.stack([top, left], axis=1), np.stack([bottom - top + 1, columns], axis=1)


class Frame:
    """Rays of a camera's frame, not normalised: distance along them is depth from the camera's plane.

    Args:
        width, height: in pixels.
        reach: tangents ``(left, right, bottom, top)`` of the frame's edges.

    Points are in the camera's axes: x right, y ahead, z up.
    """

    def __init__(self, width: int, height: int, reach: tuple[float, float, float, float]) -> None:
        self.width, self.height, self.reach = width, height, reach
        left, right, bottom, top = reach
        x = left + (np.arange(width) + 0.5) / width * (right - left)
        z = top - (np.arange(height) + 0.5) / height * (top - bottom)
        across, up = np.meshgrid(x, z)
        self.rays = np.stack([across, np.ones_like(across), up], axis=-1).reshape(-1, 3)

    def boxes(self, middle: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first row and column ``(N, 2)`` and rows and columns ``(N, 2)`` that hold N cones."""
        left, right, bottom, top = self.reach
        spans = []
        for axis, low, high, size in ((2, top, bottom, self.height), (0, left, right, self.width)):
            angle = np.arctan2(middle[:, axis], middle[:, 1])
            ratio = np.sin(np.minimum(radius, np.pi / 2)) / np.maximum(
                np.hypot(middle[:, axis], middle[:, 1]), 1e-9
            )
            half = np.where(ratio >= 1, np.pi, np.arcsin(np.clip(ratio, 0, 1)))
            limit = np.pi / 2 - 1e-3
            edges = [np.tan(np.clip(angle + sign * half, -limit, limit)) for sign in (-1, 1)]
            places = np.stack([(edge - low) / (high - low) * size for edge in edges])
            first = _first(places.min(axis=0)).clip(0)
            last = _last(places.max(axis=0)).clip(max=size - 1)
            ahead = (angle - half < limit) & (angle + half > -limit)
            spans.append((first, np.where(ahead, last - first + 1, 0)))
        return np.stack([s[0] for s in spans], axis=1), np.stack([s[1] for s in spans], axis=1)


def _first(edge: np.ndarray) -> np.ndarray:
    return np.ceil(edge - 0.5 - 1e-6).astype(np.int64)


def _last(edge: np.ndarray) -> np.ndarray:
    return np.floor(edge - 0.5 + 1e-6).astype(np.int64)


class DepthPicture:
    """The nearest distances so far, ``depth`` ``(H, W)`` float32; infinite where nothing is seen.

    Args:
        rays: whose distances.
        furthest: what is further away is not seen.
    """

    def __init__(self, rays: World | Frame, furthest: float = np.inf) -> None:
        self._rays, self._furthest = rays, furthest
        self._depth = np.full(len(rays.rays), np.inf, dtype=np.float32)

    @property
    def depth(self) -> np.ndarray:
        """The distances ``(H, W)``."""
        return self._depth.reshape(self._rays.height, self._rays.width)

    def add(self, points: np.ndarray, triangles: np.ndarray) -> None:
        """Add triangles ``(N, 3)`` of points ``(P, 3)``, in the rays' axes, seen from the origin."""
        points = points.astype(np.float64)
        for start in range(0, len(triangles), AT_ONCE):
            self._add(points[triangles[start : start + AT_ONCE]])

    def _add(self, corners: np.ndarray) -> None:
        for _ in range(MOST_SPLITS):
            corners = corners[np.abs(corners).max(axis=(1, 2)) > NEAREST]
            middle, radius = _cones(corners)
            first, size = self._rays.boxes(middle, radius)
            seen = (size > 0).all(axis=1)
            large = seen & (radius > SMALL) & (size.prod(axis=1) > 16)
            done = seen & ~large
            self._test(corners[done], first[done], size[done])
            if not large.any():
                return
            corners = _halves(corners[large])
        middle, radius = _cones(corners)
        self._test(corners, *self._rays.boxes(middle, radius))

    def _test(self, corners: np.ndarray, first: np.ndarray, size: np.ndarray) -> None:
        counts = size.prod(axis=1)
        sums = np.cumsum(counts)
        begin = 0
        while begin < len(corners):
            before = sums[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(sums, before + AT_ONCE, side="right")))
            part = slice(begin, end)
            self._test_pairs(corners[part], first[part], size[part], counts[part])
            begin = end

    def _test_pairs(
        self, corners: np.ndarray, first: np.ndarray, size: np.ndarray, counts: np.ndarray
    ) -> None:
        which = np.repeat(np.arange(len(corners)), counts)
        number = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        columns = size[which, 1]
        row = first[which, 0] + number // columns
        column = (first[which, 1] + number % columns) % self._rays.width
        pixel = row * self._rays.width + column
        rays = self._rays.rays[pixel]
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        sides = [np.cross(b, c), np.cross(c, a), np.cross(a, b)]
        volume = np.einsum("ij,ij->i", a, sides[0])
        shares = [np.einsum("ij,ij->i", rays, side[which]) for side in sides]
        total = shares[0] + shares[1] + shares[2]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = volume[which] / total
        limit = -1e-9 * np.abs(total)
        sign = np.sign(total)
        inside = (shares[0] * sign >= limit) & (shares[1] * sign >= limit) & (shares[2] * sign >= limit)
        inside &= (distance > NEAREST) & (distance <= self._furthest)
        np.minimum.at(self._depth, pixel[inside], distance[inside].astype(np.float32))


def _cones(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the axes ``(N, 3)`` and radii ``(N,)`` of cones around triangles ``(N, 3, 3)`` seen from 0."""
    lengths = np.linalg.norm(corners, axis=2, keepdims=True)
    directions = corners / np.maximum(lengths, 1e-30)
    axis = directions.sum(axis=1)
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    axis = np.where(length > 1e-6, axis / np.maximum(length, 1e-30), directions[:, 0])
    chord = np.linalg.norm(directions - axis[:, None], axis=2).max(axis=1)
    radius = 2 * np.arcsin(np.clip(chord / 2, 0, 1))
    # of more than a half space, or with a corner at the eye, no cone is known
    around = (radius >= np.pi / 2) | (lengths[:, :, 0].min(axis=1) < NEAREST)
    return axis, np.where(around, np.pi, radius * (1 + 1e-9) + 1e-9)


def _halves(corners: np.ndarray) -> np.ndarray:
    """Return triangles ``(2·N, 3, 3)``: each split at the side that looks longest from 0."""
    lengths = np.maximum(np.linalg.norm(corners, axis=2, keepdims=True), 1e-30)
    directions = corners / lengths
    sides = np.linalg.norm(directions - np.roll(directions, -1, axis=1), axis=2)
    longest = sides.argmax(axis=1)
    order = (longest[:, None] + np.arange(3)) % 3
    a, b, c = (corners[np.arange(len(corners)), order[:, i]] for i in range(3))
    # where it looks halved, not where it is: a plane to the horizon would else need a split for each doubling
    near, far = (np.linalg.norm(p, axis=1, keepdims=True) for p in (a, b))
    share = np.clip(near / np.maximum(near + far, 1e-30), 0.05, 0.95)
    middle = a + share * (b - a)
    return np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])


def fans(corners: np.ndarray, edges: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the triangles ``(N, 3)`` of a mesh's faces, each a fan: right for all but concave faces.

    Args:
        corners: the point of each corner ``(L,)``, face by face.
        edges: the edge from each corner to the next of its face ``(L,)``.
        ends: the points of each edge ``(E, 2)``.
    """
    starts = _starts(corners, ends[edges].sum(axis=1) - corners)
    sizes = np.diff(np.append(starts, len(corners)))
    count = np.maximum(sizes - 2, 0)
    face = np.repeat(np.arange(len(starts)), count)
    number = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    first = starts[face]
    return np.stack([corners[first], corners[first + number + 1], corners[first + number + 2]], axis=1)


def _starts(corners: np.ndarray, following: np.ndarray) -> np.ndarray:
    """Return the first corner of every face, from the point that follows each corner within its face.

    A face ends where the next corner does not follow, or where it does because the next face begins with the
    same point: a face has that point but once.
    """
    breaks = np.empty(len(corners), dtype=bool)
    breaks[0], breaks[1:] = True, following[:-1] != corners[1:]
    runs = np.flatnonzero(breaks)
    first = np.repeat(corners[runs], np.diff(np.append(runs, len(corners))))
    return np.flatnonzero(corners == first)
