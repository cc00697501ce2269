# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a picture repeats itself along its width. Our own measure."""

from __future__ import annotations

import torch
from torch.nn.functional import avg_pool1d, interpolate, pad

from sync_engine.evaluation.detail import LUMA
from sync_engine.evaluation.metric import Figures, Metric
from sync_engine.evaluation.picture import Picture

ROWS = 64


class Repetition(Metric):
    """The highest correlation of the picture with itself shifted sideways: 1 for an exact repetition.

    Taken on the luma of a plate, or of a world within 45° of its horizon, at 64 rows, after taking from
    each row its moving mean over a square, so that a smooth sky and a level horizon count for nothing.
    Shifts begin at half a square (45° of a world).
    """

    def measure(self, picture: Picture) -> Figures:
        """Return ``repetition`` in [-1, 1]; a plate must be at least twice as wide as high."""
        pixels, wrap = picture.pixels, picture.kind == "world"
        if wrap:
            quarter = pixels.shape[1] // 4
            pixels = pixels[:, quarter:-quarter]
        height, width = pixels.shape[1:]
        if width < 2 * height:
            return {}
        size = (ROWS, round(ROWS * width / height))
        small = interpolate(pixels[None], size, mode="bilinear", antialias=True)[0]
        return {"repetition": strongest_repeat((small * LUMA).sum(dim=0), wrap)}


def strongest_repeat(luma: torch.Tensor, wrap: bool) -> float:
    """Return the highest self-correlation of ``(64, W)`` over the shifts that count."""
    margin = ROWS // 2
    padded = pad(luma[None], (margin, margin), mode="circular" if wrap else "reflect")
    fine = luma - avg_pool1d(padded, 2 * margin + 1, stride=1)[0]
    width = fine.shape[1]
    last = width // 2 if wrap else width - ROWS
    best = -1.0
    for shift in range(margin, last + 1):
        a, b = (fine, fine.roll(shift, dims=1)) if wrap else (fine[:, shift:], fine[:, :-shift])
        energy = (a.square().sum() * b.square().sum()).sqrt()
        best = max(best, float((a * b).sum() / (energy + 1e-6)))
    return best
