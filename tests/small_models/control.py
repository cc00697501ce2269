# SPDX-License-Identifier: GPL-3.0-or-later
"""A small random ControlNet for a small U-Net, saved as diffusers saves real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def build(folder: Path, unet: Any, seed: int = 1, kind: str = "ControlNetModel", **options: Any) -> Path:
    """Write a ControlNet for a U-Net whose answer is not zero, as that of an untrained one is."""
    import diffusers

    torch.manual_seed(seed)
    made = getattr(diffusers, kind).from_unet(
        unet, conditioning_embedding_out_channels=(8, 8, 16, 16), **options
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
    made.save_pretrained(folder)
    return folder
