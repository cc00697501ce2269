# SPDX-License-Identifier: GPL-3.0-or-later
"""Latents to pixels: circular in longitude, in tiles whose overlap is feathered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from sync_engine.canvas.layout import window_starts
from sync_engine.common.device import give_memory_back, is_out_of_memory
from sync_engine.common.ranks import ALONE, Ranks

TILE, OVERLAP = 64, 16
"""Side of a tile and overlap of neighbouring tiles, in latent cells."""


@torch.no_grad()
def decode_plane(
    decode: Callable[[torch.Tensor], torch.Tensor],
    latents: torch.Tensor,
    scale: int,
    wrap: bool,
    on_tile: Callable[[int, int], None] = lambda done, tiles: None,
    ranks: Ranks = ALONE,
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
        ranks: the processes that share the tiles; each has the whole picture in the end.
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
    tiles = [tiles[number] for number in ranks.share(len(tiles))]
    for done, (top, left) in enumerate(tiles):
        cells = torch.arange(left, left + tile_w) % width
        pixels = torch.arange(left * scale, (left + tile_w) * scale) % (width * scale)
        tile = decode(latents[..., top : top + tile_h, :][..., cells.to(latents.device)])[0].float().cpu()
        band = slice(top * scale, (top + tile_h) * scale)
        picture[:, band].index_add_(2, pixels, tile * weight)
        total[band].index_add_(1, pixels, weight)
        on_tile(done + 1, len(tiles))
    ranks.sum(picture)
    ranks.sum(total)
    return (picture.div_(total).add_(1).div_(2)).clamp_(0, 1)


class TilingDecoder(Protocol):
    """The part of a model that makes pictures of latents."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents ``(N, C, h, w)`` to sRGB ``(N, 3, h·scale, w·scale)`` in [-1, 1]."""
        ...

    def decode_in_tiles(self) -> bool:
        """Have ``decode`` work in small tiles from now on; False where it does so already."""
        ...


class TiledFallbackDecoder:
    """A model's decoder that goes on in tiles where memory runs out.

    A canvas is decoded in tiles or views anyway; this is for a single one that does not fit, 1024 pixels wide
    in float32 for Stable Diffusion XL. The tiles are diffusers' own, blended where they overlap.

    Args:
        model: decodes.
        note: told when tiles are used.
    """

    def __init__(self, model: TilingDecoder, note: Callable[[str], None]) -> None:
        self.model, self._on_note = model, note

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents ``(N, C, h, w)`` as the model does."""
        try:
            return self.model.decode(latents)
        except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or not self.model.decode_in_tiles():
                raise
        give_memory_back()
        self._on_note("Memory is short: the picture is decoded in tiles.")
        return self.model.decode(latents)


def _ramp(size: int, overlap: int) -> torch.Tensor:
    """Weights of a tile's pixels along one axis: one inside, falling linearly over the overlap."""
    position = torch.arange(size, dtype=torch.float32) + 0.5
    return (torch.minimum(position, size - position) / overlap).clamp(max=1.0)
