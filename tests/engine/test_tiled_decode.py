# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoding: circular in longitude, the same in tiles as in one piece."""

from __future__ import annotations

import torch

from sync_engine.canvas.tiled_decode import decode_plane


def smooth_decoder(latents: torch.Tensor) -> torch.Tensor:
    """Looks two cells around (like a real decoder) and enlarges by 8."""
    kernel = torch.ones(3, latents.shape[1], 5, 5) / 100
    cells = torch.nn.functional.conv2d(latents, kernel, padding=2)
    return torch.nn.functional.interpolate(cells, scale_factor=8, mode="bilinear")


def test_a_turned_world_decodes_to_the_turned_picture() -> None:
    latents = torch.randn(1, 4, 40, 144, generator=torch.Generator().manual_seed(0))
    straight = decode_plane(smooth_decoder, latents, 8, wrap=True)
    turned = decode_plane(smooth_decoder, latents.roll(48, dims=-1), 8, wrap=True)
    torch.testing.assert_close(turned, straight.roll(48 * 8, dims=-1), rtol=0, atol=1e-5)


def test_no_column_of_a_world_is_decoded_with_a_cut_neighbourhood() -> None:
    """Where the seam lies cannot be told: every column equals the decoding of a padded canvas."""
    latents = torch.randn(1, 4, 32, 80, generator=torch.Generator().manual_seed(0))
    padded = torch.cat([latents[..., -16:], latents, latents[..., :16]], dim=-1)
    whole = smooth_decoder(padded)[0, :, :, 16 * 8 : -16 * 8].add(1).div(2).clamp(0, 1)
    tiled = decode_plane(smooth_decoder, latents, 8, wrap=True)
    assert (tiled - whole).abs()[..., :64].max() < 0.02
    assert (tiled - whole).abs().mean() < 0.002


def test_a_world_narrower_than_a_tile_is_whole() -> None:
    latents = torch.randn(1, 4, 16, 32, generator=torch.Generator().manual_seed(0))
    picture = decode_plane(smooth_decoder, latents, 8, wrap=True)
    assert picture.shape == (3, 128, 256)
    turned = decode_plane(smooth_decoder, latents.roll(8, dims=-1), 8, wrap=True)
    assert (turned - picture.roll(64, dims=-1)).abs().mean() < 0.01


def test_open_canvas_keeps_its_edges() -> None:
    latents = torch.randn(1, 4, 16, 100, generator=torch.Generator().manual_seed(0))
    picture = decode_plane(smooth_decoder, latents, 8, wrap=False)
    whole = smooth_decoder(latents)[0].add(1).div(2).clamp(0, 1)
    torch.testing.assert_close(picture[..., :100], whole[..., :100], rtol=0, atol=1e-5)
    torch.testing.assert_close(picture[..., -100:], whole[..., -100:], rtol=0, atol=1e-5)
