# SPDX-License-Identifier: GPL-3.0-or-later
"""FID: the Fréchet distance of two sets of pictures (Heusel et al. 2017), by torchmetrics."""

from __future__ import annotations

from pathlib import Path

import torch

from sync_engine.common.errors import EngineError
from sync_engine.evaluation.against_reference import AgainstReference
from sync_engine.evaluation.features import needs
from sync_engine.evaluation.metric import Figures
from sync_engine.interface.messages import FailureCode

FEATURES = 2048


class Fid(AgainstReference):
    """Fréchet distance of Inception features. Biased upwards for few pictures: quote their number with it."""

    def __init__(self, device: torch.device, reference: Path | None) -> None:
        needs("torchmetrics")
        super().__init__(device, "inception", reference)

    def summary(self) -> Figures:
        """Return ``fid`` and the number of crops that it rests on."""
        features = torch.cat(self.seen)
        return {"fid": fid(self.reference, features), "fid_crops": float(len(features))}


def fid(reference: torch.Tensor, features: torch.Tensor) -> float:
    """Return the Fréchet distance of two sets of features ``(N, D)``."""
    if min(len(reference), len(features)) < 2:
        raise EngineError(FailureCode.BAD_SPEC, "FID compares sets: one crop is none.", "Give more pictures.")
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(_AsTheyAre(reference.shape[1]))
    metric.update(reference.float(), real=True)
    metric.update(features.float(), real=False)
    return float(metric.compute())


class _AsTheyAre(torch.nn.Identity):
    """Gives features through; torchmetrics asks a net of one's own for their number."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features
