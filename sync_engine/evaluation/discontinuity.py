# SPDX-License-Identifier: GPL-3.0-or-later
"""Discontinuity Score: is there a seam where the left and the right edge of a world meet?"""

from __future__ import annotations

import torch
from torch.nn.functional import conv2d, pad

from sync_engine.evaluation.metric import Figures, Metric
from sync_engine.evaluation.picture import Picture

SCHARR = torch.tensor([[-3.0, 0.0, 3.0], [-10.0, 0.0, 10.0], [-3.0, 0.0, 3.0]])
SOFTENING = 0.1
PLACES = 64
"""In how many other columns the same score is taken, for comparison."""


class Discontinuity(Metric):
    """The score at the wrap (Christensen et al. 2024), and the same score inside the picture.

    Three columns on each side of the wrap are joined and filtered by Scharr's horizontal derivative,
    which leaves the gradients a0…a3; the score is the mean over the rows of half of
    ``|a1| / (|a0| + c) + |a2| / (|a3| + c)``, c = 0.1, of the grey picture in [0, 1]. A seam is what
    exceeds ``discontinuity_inside``, the mean over columns that have none. A plate has no wrap.
    """

    def measure(self, picture: Picture) -> Figures:
        """Return ``discontinuity`` and ``discontinuity_inside`` of a world."""
        if picture.kind == "plate":
            return {}
        width = picture.pixels.shape[2]
        inside = [score(picture.pixels, width * i // PLACES) for i in range(1, PLACES)]
        return {
            "discontinuity": score(picture.pixels, 0),
            "discontinuity_inside": sum(inside) / len(inside),
        }


def score(pixels: torch.Tensor, column: int) -> float:
    """Return the Discontinuity Score of pixels ``(3, H, W)`` before a column, around the wrap."""
    strip = pixels.roll(3 - column, dims=2)[:, :, :6]
    grey = (strip * torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)).sum(dim=0)
    rows = pad(grey[None, None], (0, 0, 1, 1), mode="replicate")
    a0, a1, a2, a3 = conv2d(rows, SCHARR[None, None])[0, 0].abs().unbind(dim=1)
    return float((a1 / (a0 + SOFTENING) + a2 / (a3 + SOFTENING)).mean() / 2)
