# SPDX-License-Identifier: GPL-3.0-or-later
"""Place a photograph in a panorama or a plate: where its pixels land, and where there are any."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import grid_sample, interpolate, max_pool2d

from sync_engine.canvas.views import View, equirectangular_rays

ROWS_AT_ONCE = 256
"""Rows of a panorama that are filled at once: memory does not grow with the picture."""


def on_sphere(
    photo: torch.Tensor, azimuth: float, elevation: float, fov: float, height: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a panorama ``(C, H, 2·H)`` with a perspective photo in it, and its mask ``(H, 2·H)`` of 0 and 1.

    Args:
        photo: ``(C, h, w)``; its columns are upright (roll 0).
        azimuth, elevation: where its centre lies, degrees, as in ``canvas.views``.
        fov: horizontal field of view in degrees, above 0 and below 180.
        height: rows H of the panorama.

    Outside the photo the panorama repeats the photo's nearest pixel within its plane's half space, and is the
    photo's mean behind it: something for an encoder to look at that makes no edge of its own.
    """
    rows_in, columns_in = photo.shape[1:]
    reach_x = math.tan(math.radians(fov) / 2)
    reach_y = reach_x * rows_in / columns_in
    source = _reduced_for(photo, round(2 * height * fov / 360))
    axes = View(azimuth, elevation, 90.0).axes()
    filled, masks = [], []
    columns = torch.arange(2 * height)
    for start in range(0, height, ROWS_AT_ONCE):
        rows = torch.arange(start, min(start + ROWS_AT_ONCE, height))
        depth, right, up = (equirectangular_rays(height, rows, columns) @ axes.T).unbind(dim=1)
        ahead = depth.clamp(min=1e-6)
        place = torch.stack([right / ahead / reach_x, -up / ahead / reach_y], dim=1)
        inside = (depth > 0) & (place.abs().amax(dim=1) <= 1)
        grid = place.clamp(-1, 1).reshape(1, len(rows), -1, 2).to(source)
        colours = grid_sample(source[None], grid, mode="bicubic", padding_mode="border", align_corners=False)[
            0
        ]
        behind = (depth <= 0).reshape(len(rows), -1)
        filled.append(torch.where(behind, photo.mean(dim=(1, 2)).reshape(-1, 1, 1), colours))
        masks.append(inside.reshape(len(rows), -1))
    return torch.cat(filled, dim=1), torch.cat(masks).to(photo.dtype)


def on_plate(
    photo: torch.Tensor, x: float, y: float, share: float, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a plate ``(C, H, W)`` with a photo in it, and its mask ``(H, W)`` of 0 and 1.

    Args:
        photo: ``(C, h, w)``.
        x, y: where its centre lies, shares of the plate's width and height from the left and the top.
        share: its width, as a share of the plate's.
        height, width: of the plate in pixels.
    """
    columns = max(1, round(share * width))
    rows = max(1, round(columns * photo.shape[1] / photo.shape[2]))
    small = interpolate(photo[None], (rows, columns), mode="bicubic", antialias=True, align_corners=False)[0]
    top, left = round(y * height - rows / 2), round(x * width - columns / 2)
    row = (torch.arange(height) - top).clamp(0, rows - 1)
    column = (torch.arange(width) - left).clamp(0, columns - 1)
    down, along = torch.arange(height)[:, None] - top, torch.arange(width)[None] - left
    mask = (down >= 0) & (down < rows) & (along >= 0) & (along < columns)
    return small[:, row][:, :, column], mask.to(photo.dtype)


def feathered_inside(mask: torch.Tensor, pixels: int, wrap: bool) -> torch.Tensor:
    """Return a mask ``(H, W)`` that rises from its border inwards over so many pixels, smoothly.

    Args:
        mask: 0 and 1.
        pixels: width of the rise; 0 leaves the mask as it is.
        wrap: whether the right edge continues at the left one.
    """
    if pixels <= 0:
        return mask
    total, left = torch.zeros_like(mask), mask
    for _ in range(pixels):  # a distance to the border, in king's moves
        total += left
        left = 1 - _grown(1 - left, wrap)
    share = total / pixels
    return share * share * (3 - 2 * share)


def cells_inside(mask: torch.Tensor, scale: int) -> torch.Tensor:
    """Return the latent cells ``(h, w)`` whose pixels all lie in a mask ``(H, W)``: 0 and 1."""
    return 1 - max_pool2d((1 - mask)[None, None], scale)[0, 0]


def _grown(mask: torch.Tensor, wrap: bool) -> torch.Tensor:
    around = torch.cat([mask[:, -1:], mask, mask[:, :1]], dim=1) if wrap else mask
    grown = max_pool2d(around[None, None], 3, stride=1, padding=1)[0, 0]
    return grown[:, 1:-1] if wrap else grown


def _reduced_for(photo: torch.Tensor, columns: int) -> torch.Tensor:
    """Return the photo no finer than the panorama can show, so that it does not alias there."""
    columns = max(8, columns)
    if photo.shape[2] <= columns:
        return photo
    rows = max(8, round(photo.shape[1] * columns / photo.shape[2]))
    return interpolate(photo[None], (rows, columns), mode="bicubic", antialias=True, align_corners=False)[0]
