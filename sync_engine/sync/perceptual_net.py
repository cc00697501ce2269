# SPDX-License-Identifier: GPL-3.0-or-later
"""A small convolutional net on scaled latents whose features say how alike two windows look.

It is trained as a classifier of what a view shows (scene family, time of day, weather, colours), with
noise and blur on its input, so that it also reads the blurry clean predictions of early steps. Sampling
uses only its features: distances between them stand in for LPIPS without decoding a picture.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional


class _Block(nn.Module):
    """Two convolutions on a residual stream that is itself never normalised (it keeps tone and contrast)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, width), nn.Conv2d(width, width, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(8, width), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.conv1(functional.silu(self.norm1(x)))
        return x + self.conv2(functional.silu(self.norm2(hidden)))


class LatentFeatures(nn.Module):
    """Features of latents at full, half and quarter resolution; heads only for training and measuring.

    ``heads`` maps a head's name to its class names. Fully convolutional: any window size from 4x4 cells.
    """

    def __init__(
        self,
        in_channels: int,
        heads: dict[str, list[str]],
        widths: tuple[int, ...] = (48, 96, 144),
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "in_channels": in_channels,
            "widths": list(widths),
            "blocks": blocks,
            "heads": heads,
        }
        sources = (in_channels, *widths[:-1])
        self.entries = nn.ModuleList(
            nn.Conv2d(source, width, 3, stride=1 if level == 0 else 2, padding=1)
            for level, (source, width) in enumerate(zip(sources, widths, strict=True))
        )
        self.levels = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(blocks))) for width in widths
        )
        self.heads = nn.ModuleDict(
            {name: nn.Linear(2 * sum(widths), len(classes)) for name, classes in heads.items()}
        )

    def features(self, latents: torch.Tensor) -> list[torch.Tensor]:
        """Features [N, c, h, w] at three levels of scaled latents [N, C, H, W] (unit standard deviation,
        as the denoiser sees them). Compare them like LPIPS: unit length over channels, then squared
        difference."""
        found, x = [], latents
        for entry, level in zip(self.entries, self.levels, strict=True):
            x = level(entry(x))
            found.append(x)
        return found

    def forward(self, latents: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits per head [N, classes]."""
        pooled = [
            stat
            for x in self.features(latents)
            for stat in (x.mean((2, 3)), (x.var((2, 3), unbiased=False) + 1e-6).sqrt())
        ]
        vector = torch.cat(pooled, dim=1)
        return {name: head(vector) for name, head in self.heads.items()}

    @classmethod
    def from_folder(cls, folder: str | Path) -> "LatentFeatures":
        """The net stored as ``config.json`` and ``model.safetensors`` in a folder, in float32, frozen."""
        folder = Path(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        net = cls(config["in_channels"], config["heads"], tuple(config["widths"]), config["blocks"])
        state = {key: value.float() for key, value in load_file(folder / "model.safetensors").items()}
        net.load_state_dict(state)
        return net.eval().requires_grad_(False)
