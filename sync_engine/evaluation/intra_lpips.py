# SPDX-License-Identifier: GPL-3.0-or-later
"""Intra-LPIPS: how unlike each other the parts of one picture look (Lee et al. 2023, section 5)."""

from __future__ import annotations

import statistics

import torch

from sync_engine.evaluation.features import lpips_net
from sync_engine.evaluation.metric import Figures, Metric, over_pairs
from sync_engine.evaluation.picture import Picture


class IntraLpips(Metric):
    """Mean LPIPS of all pairs of crops of a picture; lower is more coherent.

    Args:
        device: where the net runs.
        net: ``vgg`` as published, or ``alex`` for a second opinion.
        squares: compare squares of a world's equirectangular picture, not perspective views.
    """

    def __init__(self, device: torch.device, net: str = "vgg", squares: bool = False) -> None:
        self.net, self.squares = lpips_net(net, device), squares
        self.figure = "intra_lpips" + ("" if net == "vgg" else f"_{net}") + ("_squares" if squares else "")

    def measure(self, picture: Picture) -> Figures:
        """Return ``intra_lpips`` (with the net's and the crops' name where they are not the usual ones)."""
        crops = picture.squares if self.squares else picture.crops
        if len(crops) < 2:
            return {}
        return {self.figure: statistics.fmean(over_pairs(self.net.layers(crops), self.net.lpips))}
