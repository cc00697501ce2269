# SPDX-License-Identifier: GPL-3.0-or-later
"""KID: the kernel distance of two sets of pictures (Bińkowski et al. 2018), by torchmetrics."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from sync_engine.common.errors import EngineError
from sync_engine.evaluation.against_reference import AgainstReference
from sync_engine.evaluation.features import needs
from sync_engine.evaluation.metric import Figures
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message

SUBSETS, SUBSET_SIZE = 50, 200


class Kid(AgainstReference):
    """Unbiased squared MMD with a cubic kernel; 0 for sets from one distribution, may be slightly below.

    With ``vgg`` features the figure is ``kid_vgg``: comparable with itself only, never with published KID.
    """

    def __init__(self, device: torch.device, features: str, reference: Path | None) -> None:
        needs("torchmetrics")
        super().__init__(device, features, reference)
        self.figure = "kid" if features == "inception" else f"kid_{features}"

    def summary(self) -> Figures:
        """Return ``kid`` or ``kid_vgg`` and its spread over random subsets."""
        mean, spread = kid(self.reference, torch.cat(self.seen))
        return {self.figure: mean, f"{self.figure}_spread": spread}


def kid(reference: torch.Tensor, features: torch.Tensor) -> tuple[float, float]:
    """Return KID of two sets of features ``(N, D)``: mean and standard deviation over 50 fixed subsets."""
    size = min(SUBSET_SIZE, len(reference), len(features))
    if size < 4:
        raise EngineError(
            FailureCode.BAD_SPEC,
            Message(
                "KID compares sets: {crops} crops and {reference} of the reference are too few.",
                crops=len(features),
                reference=len(reference),
            ),
            "Give more pictures; some hundred crops make it steady.",
        )
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", UserWarning)  # it warns that it keeps the features
        torch.manual_seed(0)
        metric = KernelInceptionDistance(torch.nn.Identity(), subsets=SUBSETS, subset_size=size)
        metric.update(reference.float(), real=True)
        metric.update(features.float(), real=False)
        mean, spread = metric.compute()
    return float(mean), float(spread)
