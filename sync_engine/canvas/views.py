# SPDX-License-Identifier: GPL-3.0-or-later
"""Perspective views on the sphere: where they look, and the geometry between views and picture.

+Z is up. Azimuth is counter-clockwise from +X seen from above, elevation is positive upwards, both
in degrees. The equirectangular picture looks along +X at its centre: a direction lies at
``u = 0.5 − azimuth / 360`` (modulo 1) and ``v = 0.5 − elevation / 180`` (Blender's convention).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class View:
    """A square perspective view with roll 0; angles in degrees."""

    azimuth: float
    elevation: float
    fov: float

    def axes(self) -> torch.Tensor:
        """Return the unit vectors forward, right and up as rows ``(3, 3)``, float64."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        forward = (math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e))
        right = (math.sin(a), -math.cos(a), 0.0)
        up = (-math.sin(e) * math.cos(a), -math.sin(e) * math.sin(a), math.cos(e))
        return torch.tensor([forward, right, up], dtype=torch.float64)

    @property
    def reach(self) -> float:
        """The angle from the view's centre to its corners, in degrees."""
        return math.degrees(math.atan(math.sqrt(2) * math.tan(math.radians(self.fov) / 2)))

    def region(self, height: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows and columns of an equirectangular picture that hold all this view sees."""
        top = max(0, math.floor((90 - self.elevation - self.reach) / 180 * height))
        bottom = min(height, math.ceil((90 - self.elevation + self.reach) / 180 * height))
        width = 2 * height
        if abs(self.elevation) + self.reach >= 89:
            return torch.arange(top, bottom), torch.arange(width)
        ratio = math.sin(math.radians(self.reach)) / math.cos(math.radians(self.elevation))
        half = math.degrees(math.asin(min(1.0, ratio)))
        middle = (0.5 - self.azimuth / 360) * width
        left, right = middle - half / 360 * width, middle + half / 360 * width
        return torch.arange(top, bottom), torch.arange(math.floor(left), math.ceil(right)) % width

    def rays(self, size: int) -> torch.Tensor:
        """Return the unit directions ``(size², 3)`` of the view's cell centres, row by row."""
        reach = math.tan(math.radians(self.fov) / 2)
        steps = ((torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1) * reach
        y, x = torch.meshgrid(-steps, steps, indexing="ij")
        forward, right, up = self.axes()
        rays = forward + x.reshape(-1, 1) * right + y.reshape(-1, 1) * up
        return rays / rays.norm(dim=1, keepdim=True)

    def project(self, directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return where directions ``(N, 3)`` fall in the view, and which of them it sees.

        Places are ``(N, 2)`` of (x, y), y down, in [-1, 1] for what the view sees.
        """
        depth, right, up = (directions @ self.axes().to(directions).T).unbind(dim=1)
        reach = math.tan(math.radians(self.fov) / 2) * depth.clamp(min=1e-9)
        place = torch.stack([right / reach, -up / reach], dim=1)
        return place, (depth > 0) & (place.abs().amax(dim=1) <= 1)


def ring(elevation: float, count: int, fov: float, phase: float = 0.0) -> list[View]:
    """Return ``count`` views evenly around the axis; ``phase`` is a share of their distance."""
    return [View(360 * (i + phase) / count - 180, elevation, fov) for i in range(count)]


def layout(fov: float, overlap: float = 0.5) -> list[list[View]]:
    """Cover the sphere with rows of views, top to bottom.

    Args:
        fov: field of view of every view in degrees, at most 100.
        overlap: share of a view's width that the next one repeats, about.
    """
    step = fov * (1 - overlap)
    bands = math.ceil(90 / (step * 1.15))
    rows: list[list[View]] = []
    for band in range(bands, -bands - 1, -1):
        elevation = 90 * band / bands
        if abs(band) == bands:
            # two, turned by 45°: what a single view sees is not averaged and stands out as a sharper spot
            rows.append([View(0.0, elevation, fov), View(45.0, elevation, fov)])
            continue
        # a little more than the ring's own arc asks for: the far side of a view is wider
        reach = max(0.0, abs(elevation) - fov / 4)
        count = max(4, math.ceil(360 * math.cos(math.radians(reach)) / step))
        rows.append(ring(elevation, count, fov, phase=0.5 * (band % 2)))
    return rows


def equirectangular_rays(height: int, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return the unit directions ``(R·C, 3)`` of pixel centres of a picture of 2·height × height, float64."""
    azimuth = (0.5 - (columns.double() + 0.5) / (2 * height)) * 2 * math.pi
    elevation = (0.5 - (rows.double() + 0.5) / height) * math.pi
    e, a = torch.meshgrid(elevation, azimuth, indexing="ij")
    return torch.stack([e.cos() * a.cos(), e.cos() * a.sin(), e.sin()], dim=-1).reshape(-1, 3)


FEATHER = 6
"""Power of the distance to the border: with 3, five worlds of the draft model had 0.84 of the detail."""
MARGIN = 4
"""Rows and columns of its own continuation around a picture that views are cut from."""


def continued(picture: torch.Tensor) -> torch.Tensor:
    """Return an equirectangular picture ``(C, H, W)`` with a margin: around in longitude, over the poles."""

    def around(rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([rows[..., -MARGIN:], rows, rows[..., :MARGIN]], dim=-1)

    def beyond(rows: torch.Tensor) -> torch.Tensor:
        return around(rows.flip(1).roll(picture.shape[-1] // 2, dims=-1))

    return torch.cat([beyond(picture[:, :MARGIN]), around(picture), beyond(picture[:, -MARGIN:])], dim=1)


def cut_view(picture: torch.Tensor, view: View, size: int) -> torch.Tensor:
    """Return a view ``(1, C, size, size)`` of an equirectangular picture ``(C, H, W)``, bicubic."""
    return cut_continued(continued(picture), view, size)


def cut_continued(picture: torch.Tensor, view: View, size: int) -> torch.Tensor:
    """Return a view ``(1, C, size, size)`` of a picture that is ``continued``: for many views of one."""
    total_h, total_w = picture.shape[1:]
    height, width = total_h - 2 * MARGIN, total_w - 2 * MARGIN
    x, y, z = view.rays(size).unbind(dim=1)
    column = (0.5 - torch.atan2(y, x) / (2 * math.pi)) * width + MARGIN
    row = (0.5 - torch.asin(z.clamp(-1, 1)) / math.pi) * height + MARGIN
    place = torch.stack([column / total_w * 2 - 1, row / total_h * 2 - 1], dim=1)
    return torch.nn.functional.grid_sample(
        picture[None], place.reshape(1, size, size, 2).to(picture), mode="bicubic", align_corners=False
    )


def fibonacci_points(count: int) -> torch.Tensor:
    """Return ``count`` nearly evenly spread unit vectors ``(count, 3)``, float64."""
    i = torch.arange(count, dtype=torch.float64) + 0.5
    z = 1 - 2 * i / count
    angle = math.pi * (1 + math.sqrt(5)) * i
    radius = (1 - z * z).sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=1)


def feathered(place: torch.Tensor) -> torch.Tensor:
    """Return the fusion weight ``(N,)`` at places ``(N, 2)``: one at the centre, falling fast to the border.

    Fast, so that where four views meet the nearest one decides: averaging them all blurs.
    """
    return (1 - place.abs()).clamp(min=1e-3).prod(dim=1) ** FEATHER
