# SPDX-License-Identifier: GPL-3.0-or-later
"""Perspective pictures blended into one equirectangular picture, in memory that grows with it alone."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from sync_engine.canvas.views import View, equirectangular_rays, feathered
from sync_engine.common.ranks import ALONE, Ranks

RAYS_AT_ONCE = 2**19


def blend(views: Iterable[tuple[View, torch.Tensor]], height: int, ranks: Ranks = ALONE) -> torch.Tensor:
    """Blend views with their pictures ``(1, 3, h, w)`` into an equirectangular ``(3, H, 2·H)``; on the CPU.

    Every pixel of the picture looks into the views that see it, so that no column and no pole is
    special. Where a view has more pixels than the picture, a pixel is the mean of several looks.
    The pictures are taken one by one and not kept. ``ranks`` are the processes that have views each; all
    have the whole picture in the end.
    """
    total = torch.zeros(4, height * 2 * height)
    for view, picture in views:
        picture = picture.float().cpu()
        looks = looks_per_side(view, picture.shape[-1], height)
        rows, columns = view.region(height)
        for band in rows.split(max(1, RAYS_AT_ONCE // len(columns))):
            for dy in looks:
                for dx in looks:
                    _add(total, height, view, picture, band, columns, (dy, dx))
    ranks.sum(total)
    total[:3] /= total[3]
    return total[:3].reshape(3, height, 2 * height)


def looks_per_side(view: View, size: int, height: int) -> list[float]:
    """Return the offsets in pixels at which a pixel looks into a view, for rows and columns alike.

    As many as the view's centre has pixels to one of the picture: what lies between two looks
    would shimmer. Rows are as far apart at the poles as elsewhere and columns closer, so the same
    number does everywhere.
    """
    view_density = size / (2 * math.tan(math.radians(view.fov) / 2))
    count = max(1, math.ceil(view_density / (height / math.pi)))
    return [(i + 0.5) / count - 0.5 for i in range(count)]


def _add(
    total: torch.Tensor,
    height: int,
    view: View,
    picture: torch.Tensor,
    rows: torch.Tensor,
    columns: torch.Tensor,
    offset: tuple[float, float],
) -> None:
    """Add what some rows and columns of the whole picture see in one view, weighted, to ``total``."""
    rays = equirectangular_rays(height, rows + offset[0], columns + offset[1])
    place, inside = view.project(rays.float())
    place = place[inside]
    weight = feathered(place)
    values = torch.nn.functional.grid_sample(
        picture, place[None, None], mode="bicubic", padding_mode="border", align_corners=False
    )[0, :, 0]
    where = (rows[:, None] * 2 * height + columns).reshape(-1)[inside]
    total[:3].index_add_(1, where, values * weight)
    total[3].index_add_(0, where, weight)
