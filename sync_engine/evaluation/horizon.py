# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the horizon runs: level, tilted or wavy. Our own measure, no published one."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import avg_pool1d, interpolate, pad

from sync_engine.evaluation.metric import Figures, Metric
from sync_engine.evaluation.picture import Picture

REACH = 30.0
"""Degrees above and below the middle (of a world) in which the horizon is looked for."""
FAINT = 0.04
"""A boundary of less colour difference than this is no horizon."""
COLUMNS, BAND = 256, 8


class Horizon(Metric):
    """Fits the strongest horizontal boundary of each column.

    Of a world the first harmonic in azimuth is what a tilted ground plane draws: ``horizon_tilt`` is its
    amplitude in degrees. Of a plate it is the slope of a straight line. ``horizon_wander`` is what is
    left after the fit, root mean square, in degrees of elevation (of a plate: in per cent of its
    height); mountains and trees have some too, so compare with pictures of the same subject. Pictures
    without a horizon (space, under water) have neither figure.
    """

    def measure(self, picture: Picture) -> Figures:
        """Return ``horizon_tilt`` and ``horizon_wander`` where there is a horizon."""
        wrap = picture.kind == "world"
        height, width = picture.pixels.shape[1:]
        columns = COLUMNS if wrap else max(32, round(128 * width / height))
        size = (128, columns)
        small = interpolate(picture.pixels[None], size, mode="bilinear", antialias=True)[0]
        reach = round(REACH / 180 * size[0]) if wrap else 40
        rows, contrast = boundary(small, reach, wrap)
        if float(contrast.median()) < FAINT:
            return {}
        x = (torch.arange(columns) + 0.5) / columns
        if wrap:
            turn = 2 * math.pi * x
            basis = torch.stack([torch.ones(columns), turn.cos(), turn.sin()], dim=1)
            fit, rest = fit_line(basis, rows, contrast)
            per_row = 180 / size[0]
            return {"horizon_tilt": float(fit[1:].norm()) * per_row, "horizon_wander": rest * per_row}
        fit, rest = fit_line(torch.stack([torch.ones(columns), x * columns], 1), rows, contrast)
        return {
            "horizon_tilt": abs(math.degrees(math.atan(float(fit[1])))),
            "horizon_wander": rest / size[0] * 100,
        }


def boundary(pixels: torch.Tensor, reach: int, wrap: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for each column of ``(3, H, W)`` the row of its strongest boundary and the contrast there.

    The contrast at a row is the colour distance of the means of the 8 rows above and below it, looked
    for within ``reach`` rows of the middle.
    """
    smooth = avg_pool1d(pad(pixels, (3, 3), mode="circular" if wrap else "replicate"), 7, stride=1)
    total = pad(smooth.cumsum(dim=1), (0, 0, 1, 0))
    middle = pixels.shape[1] // 2
    at = torch.arange(max(BAND, middle - reach), min(pixels.shape[1] - BAND, middle + reach) + 1)
    above, below = total[:, at] - total[:, at - BAND], total[:, at + BAND] - total[:, at]
    contrast, where = ((above - below) / BAND).norm(dim=0).max(dim=0)
    return at[where].float(), contrast


def fit_line(basis: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return the robust least-squares fit of rows on a basis ``(N, B)``, and the RMS of what is left.

    Reweighted by Huber's rule at two rows: some columns always follow a cloud or a tree.
    """
    robust = weight.clone()
    fit = torch.zeros(basis.shape[1])
    for _ in range(10):
        root = robust.sqrt()[:, None]
        fit = torch.linalg.lstsq(basis * root, rows[:, None] * root).solution[:, 0]
        apart = (rows - basis @ fit).abs()
        robust = weight * (2 / apart.clamp(min=2))
    rest = (rows - basis @ fit).square()
    return fit, float(((rest * weight).sum() / weight.sum()).sqrt())
