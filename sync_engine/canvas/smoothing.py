# SPDX-License-Identifier: GPL-3.0-or-later
"""The coarse part of latents: what is larger than a few cells."""

from __future__ import annotations

import torch
from torch.nn.functional import adaptive_avg_pool2d, interpolate


def low_pass(latents: torch.Tensor, cells: int) -> torch.Tensor:
    """Return what of latents ``(N, C, h, w)`` fills ``cells`` cells or more: means, joined bilinearly."""
    height, width = latents.shape[-2:]
    means = adaptive_avg_pool2d(latents, (max(1, height // cells), max(1, width // cells)))
    return interpolate(means, size=(height, width), mode="bilinear")
