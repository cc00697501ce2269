# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for perceptual nets, and how rough what a pull moved is."""

from __future__ import annotations

import torch


class RandomFeatures(torch.nn.Module):
    """Stands for a model's own perceptual net: two random convolutions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first = torch.nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.second = torch.nn.Conv2d(8, 8, 3, stride=2, padding=1)

    def features(self, latents: torch.Tensor) -> list[torch.Tensor]:
        first = self.first(latents).tanh()
        return [first, self.second(first).tanh()]


def roughness(change: torch.Tensor) -> float:
    neighbours = (change[..., 1:] - change[..., :-1]).square().mean()
    return (neighbours / change.square().mean()).item()
