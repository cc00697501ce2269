# SPDX-License-Identifier: GPL-3.0-or-later
"""How much there is to see: fine detail, and variety between the parts. Our own measures.

Coherence is easily had by painting little, or everywhere the same. These figures show it: compare a
method with another on the same prompts and seeds, or with real pictures.
"""

from __future__ import annotations

import torch
from torch.nn.functional import adaptive_avg_pool2d

from sync_engine.evaluation.metric import Figures, Metric
from sync_engine.evaluation.picture import Picture

LUMA = torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)


class Detail(Metric):
    """Gradient energy within the crops, and difference of the crops' coarse colours."""

    def measure(self, picture: Picture) -> Figures:
        """Return ``detail`` and, of two crops or more, ``variety``.

        ``detail`` is 1000 × the mean squared difference of neighbouring pixels' luma, both ways.
        ``variety`` is the RMS difference of the crops' 8×8 colour thumbnails from their mean, × 100.
        """
        figures = {"detail": sum(gradient_energy(crop) for crop in picture.crops) / len(picture.crops)}
        if len(picture.crops) > 1:
            coarse = torch.stack([adaptive_avg_pool2d(crop, 8) for crop in picture.crops])
            figures["variety"] = 100 * float((coarse - coarse.mean(0)).square().mean().sqrt())
        return figures


def gradient_energy(crop: torch.Tensor) -> float:
    """Return 1000 × the mean squared luma difference of neighbouring pixels of ``(3, s, s)``."""
    luma = (crop * LUMA).sum(dim=0)
    across, down = luma.diff(dim=1).square().mean(), luma.diff(dim=0).square().mean()
    return 1000 * float(across + down)
