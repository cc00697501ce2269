# SPDX-License-Identifier: GPL-3.0-or-later
"""Latents to pixels: circular in longitude, in tiles whose overlap is feathered."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from sync_engine.common.device import give_memory_back, is_out_of_memory

TILE, OVERLAP = 64, 16
"""Side of a tile and overlap of neighbouring tiles, in latent cells."""


def window_starts(length: int, window: int, stride: int, wrap: bool) -> list[int]:
    """Return where windows of ``window`` cells start on an axis of ``length`` cells.

    An open axis ends with a window that touches its end, whatever the stride. A wrapped axis
    is divided evenly, no two neighbours further apart than ``stride``.
    """
    if wrap:
        count = math.ceil(length / stride)
        return [round(i * length / count) for i in range(count)]
    if window >= length:
        return [0]
    starts = list(range(0, length - window, stride))
    return [*starts, length - window]


@torch.no_grad()
def decode_plane(
    decode: Callable[[torch.Tensor], torch.Tensor],
    latents: torch.Tensor,
    scale: int,
    wrap: bool,
    on_tile: Callable[[int, int], None] = lambda done, tiles: None,
) -> torch.Tensor:
    """Decode a canvas ``(1, C, H, W)`` to sRGB ``(3, H·scale, W·scale)`` in [0, 1], float32.

    Tiles reach over the wrap, so that the left and right edges of a world are decoded with the
    same neighbours as any other column; memory does not grow with the width apart from the result.

    Args:
        decode: latents ``(1, C, h, w)`` to sRGB in [-1, 1].
        latents: clean latents.
        scale: pixels per cell.
        wrap: whether longitude is circular.
        on_tile: called with (tiles done, tiles) after each; may raise to stop.
    """
    height, width = latents.shape[-2:]
    # A wrapped canvas narrower than a tile is decoded with its own continuation around it.
    tile_h, tile_w = min(TILE, height), TILE if wrap else min(TILE, width)
    rows = window_starts(height, tile_h, TILE - OVERLAP, wrap=False)
    columns = window_starts(width, tile_w, TILE - OVERLAP, wrap)
    picture = torch.zeros(3, height * scale, width * scale)
    total = torch.zeros(height * scale, width * scale)
    weight = torch.outer(_ramp(tile_h * scale, OVERLAP * scale), _ramp(tile_w * scale, OVERLAP * scale))
    tiles = [(top, left) for top in rows for left in columns]
    for done, (top, left) in enumerate(tiles):
        cells = torch.arange(left, left + tile_w) % width
        pixels = torch.arange(left * scale, (left + tile_w) * scale) % (width * scale)
        tile = decode(latents[..., top : top + tile_h, :][..., cells.to(latents.device)])[0].float().cpu()
        band = slice(top * scale, (top + tile_h) * scale)
        picture[:, band].index_add_(2, pixels, tile * weight)
        total[band].index_add_(1, pixels, weight)
        on_tile(done + 1, len(tiles))
    return (picture.div_(total).add_(1).div_(2)).clamp_(0, 1)


class TiledFallbackDecoder:
    """A backbone's decoder that goes on in tiles where memory runs out.

    A canvas is decoded in tiles or views anyway; this is for a single one that does not fit, 1024 pixels wide
    in float32 for Stable Diffusion XL. The tiles are diffusers' own, blended where they overlap.

    Args:
        backbone: decodes.
        note: told when tiles are used.
    """

    def __init__(self, backbone: Any, note: Callable[[str], None]) -> None:
        self.backbone, self._note = backbone, note

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents ``(N, C, h, w)`` as the backbone does."""
        try:
            return self.backbone.decode(latents)
        except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or not self.backbone.tile_decoder():
                raise
        give_memory_back()
        self._note("Memory is short: the picture is decoded in tiles.")
        return self.backbone.decode(latents)


def _ramp(size: int, overlap: int) -> torch.Tensor:
    """Weights of a tile's pixels along one axis: one inside, falling linearly over the overlap."""
    position = torch.arange(size, dtype=torch.float32) + 0.5
    return (torch.minimum(position, size - position) / overlap).clamp(max=1.0)
