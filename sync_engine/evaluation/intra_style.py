# SPDX-License-Identifier: GPL-3.0-or-later
"""Intra-Style-L: how unlike the style of the parts of one picture is (Lee et al. 2023, section 5)."""

from __future__ import annotations

import statistics

import torch

from sync_engine.evaluation.features import lpips_net
from sync_engine.evaluation.metric import Figures, Metric, over_pairs
from sync_engine.evaluation.picture import Picture


class IntraStyle(Metric):
    """Style loss (Gatys et al. 2016) of all pairs of crops of a picture; lower is more coherent.

    The style of a crop is the Gram matrix of each of VGG's five layers, divided by its number of
    elements; the loss of a pair is the mean square difference, summed over the layers. The published
    sum over pairs grows with a picture's width, so the mean is there as well.
    """

    def __init__(self, device: torch.device) -> None:
        self.net = lpips_net("vgg", device)

    def measure(self, picture: Picture) -> Figures:
        """Return ``intra_style_sum`` and ``intra_style_mean``."""
        if len(picture.crops) < 2:
            return {}
        styles = [[gram(layer) for layer in layers] for layers in self.net.layers(picture.crops)]
        losses = over_pairs(styles, style_loss)
        return {"intra_style_sum": sum(losses), "intra_style_mean": statistics.fmean(losses)}


def gram(layer: torch.Tensor) -> torch.Tensor:
    """Return the Gram matrix ``(C, C)`` of a layer ``(C, h, w)``, divided by C·h·w."""
    flat = layer.flatten(1)
    return flat @ flat.T / flat.numel()


def style_loss(a: list[torch.Tensor], b: list[torch.Tensor]) -> torch.Tensor:
    """Return the mean square difference of two crops' Gram matrices, summed over layers."""
    return torch.stack([(x - y).square().mean() for x, y in zip(a, b, strict=True)]).sum()
