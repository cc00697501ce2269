# SPDX-License-Identifier: GPL-3.0-or-later
"""Sync on the background: what regions show is neither compared nor moved."""

from __future__ import annotations

import torch

from sync_engine.common.ranks import ALONE, Ranks
from sync_engine.diffusion.joint_loop import Predict, SyncMethod


class BackgroundSync:
    """A method's sync with the regions' cells left out.

    Before windows are compared, such a cell takes the mean of the background there along the row, which adds
    nothing to the distance and has no gradient; what moves is weighed by the background.

    Args:
        sync: the method's.
        background: ``(V, h, w)`` in [0, 1]: how much of each cell is background.
        ranks: the processes that share the windows.
    """

    def __init__(self, sync: SyncMethod, background: torch.Tensor, ranks: Ranks = ALONE) -> None:
        self.sync, self._weights, self._ranks = sync, background[:, None], ranks

    def __call__(
        self, step: int, windows: torch.Tensor, x0: torch.Tensor, rows: list[list[int]], predict: Predict
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Return what the method does to the background, the regions as they were."""
        weights = self._weights = self._weights.to(x0)
        means = self._row_means(x0, rows)

        def without_regions(clean: torch.Tensor, numbers: list[int]) -> torch.Tensor:
            return clean * weights[numbers] + means[numbers] * (1 - weights[numbers])

        def predict_background(noisy: torch.Tensor, numbers: list[int]) -> torch.Tensor:
            return without_regions(predict(noisy, numbers), numbers)

        every = list(range(len(x0)))
        before = without_regions(x0, every)
        moved, after = self.sync(step, windows, before, rows, predict_background)
        if moved is None:
            return None, x0 + weights * (after - before)
        moved = windows + weights * (moved - windows)
        return moved, predict(moved, every)

    def _row_means(self, x0: torch.Tensor, rows: list[list[int]]) -> torch.Tensor:
        """Return for each window the background's mean over its row at each cell, or over the whole row."""
        means = x0.detach().clone()
        cells = torch.cat([means * self._weights, self._weights], dim=1).float()
        sums = self._ranks.sum(torch.stack([cells[row].sum(dim=0) for row in rows]))
        for row, cell_sums in zip(rows, sums, strict=True):
            values, total = cell_sums[:-1], cell_sums[-1:]
            overall = values.sum(dim=(1, 2), keepdim=True) / total.sum().clamp(min=1e-6)
            mean = values / total.clamp(min=1e-6)
            means[row] = torch.where(total > 1e-6, mean, overall).to(means)
        return means
