# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that tests make by a formula: a clear day with its sun, clouds of colour."""

from __future__ import annotations

import numpy as np
import torch

from sync_engine.radiance.directions import pixel_directions
from sync_engine.radiance.srgb import from_linear


def sky(direction=(0.6, 0.5, 0.62), height: int = 256, glow: float = 4.0) -> np.ndarray:
    """A clear day in sRGB: blue above, brown below, a clipped sun with its glow."""
    directions = pixel_directions(height, 2 * height)
    angle = np.degrees(
        np.arccos(np.clip(directions @ (np.array(direction) / np.linalg.norm(direction)), -1, 1))
    )
    up = (directions[..., 2] > 0)[..., None]
    light = np.where(up, (0.15, 0.25, 0.45), (0.12, 0.1, 0.07)) + (3 * np.exp(-angle / glow))[..., None] * up
    return np.round(from_linear(np.clip(light, 0, 1)) * 255) / 255


def smooth_noise(height: int, width: int, cells: int, seed: int = 0) -> torch.Tensor:
    """Clouds of colour ``(3, H, W)`` in [0, 1] that go on over the wrap; ``cells`` blobs over the height."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, cells, cells * width // height, generator=generator)
    wrapped = torch.cat([coarse, coarse[..., :1]], dim=-1)
    fine = torch.nn.functional.interpolate(wrapped, (height, width + 1), mode="bilinear", align_corners=True)
    return fine[0, :, :, :width].clamp(0, 1)
