# SPDX-License-Identifier: GPL-3.0-or-later
"""GIQA: how near a single picture is to the reference (Gu et al. 2020, KNN-GIQA)."""

from __future__ import annotations

import statistics
from pathlib import Path

import torch

from sync_engine.evaluation.against_reference import AgainstReference
from sync_engine.evaluation.metric import Figures
from sync_engine.evaluation.picture import Picture

NEIGHBOURS = 8


class Giqa(AgainstReference):
    """Mean over the crops of the mean of ``1 / d²`` to the reference's 8 nearest; higher is better.

    The paper's formula with Euclidean distances; its authors' code sums ``1 / d`` with L1 distances.
    """

    def __init__(self, device: torch.device, reference: Path | None) -> None:
        super().__init__(device, "inception", reference)

    def measure(self, picture: Picture) -> Figures:
        """Return ``giqa``."""
        return {"giqa": statistics.fmean(knn_scores(self.extract(picture), self.reference))}


def knn_scores(features: torch.Tensor, reference: torch.Tensor) -> list[float]:
    """Return KNN-GIQA of features ``(N, D)`` against a reference ``(M, D)``, K = 8 or M."""
    apart = torch.cdist(features.double(), reference.double())
    nearest = apart.topk(min(NEIGHBOURS, len(reference)), largest=False).values
    return nearest.square().clamp(min=1e-12).reciprocal().mean(dim=1).tolist()
