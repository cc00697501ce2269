# SPDX-License-Identifier: GPL-3.0-or-later
"""The gradient step of ``sync``: on the clean predictions, with no pass through the denoiser."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sync_engine.canvas.smoothing import low_pass
from sync_engine.common.device import give_memory_back, is_out_of_memory
from sync_engine.common.ranks import ALONE, Ranks
from sync_engine.diffusion.joint_loop import Predict
from sync_engine.sync.embeddings import Embed, distance, mean_features, pooled

DECODED_LONGER = 5 / 3
"""A gradient step goes up to so many times as far where only some of the steps have one; in a run of few
steps no further than the steps left out would have gone."""
LIMIT_OF_RMS = 0.25
"""A step moves x0 by at most this share of its root mean square at strength 1."""
COARSE_CELLS = 4
"""Where the net looks at decoded pictures only what fills so many cells moves. Most of such a gradient is
finer, costs detail and brings windows no nearer."""
Index = slice | torch.Tensor
POOLED_ABOVE_DEG = 30.0
"""Windows that look up by more degrees are compared as a whole. Place by place a sky is drawn to one
arrangement in every direction, rings around the zenith."""


class FastSync:
    """Moves each window's x0 towards the mean features of its row, by the gradient with respect to x0.

    The network's prediction is used as it is and no second pass is made, which is what makes
    this cheap (the gradient of MPGD, He et al. 2024, on the loss of SyncDiffusion, Lee et al. 2023).
    At strength 1 the step is the one that would bring a quadratic loss to zero (Polyak 1987, section 5.3.2),
    so windows that agree are left alone.

    Args:
        embed: the perceptual embedding of clean latents.
        strength: 3 is normal (over-relaxed), 1 for plates but through LPIPS; 0 changes nothing.
        steps: number of initial steps with sync.
        decay: factor on the strength from one step to the next.
        batch: how many windows are embedded at once.
        elevations: where each of this process's windows looks, degrees above the horizon; none on a plate of
            one row.
        decoded: whether the embedding decodes the latents and looks at pictures, as LPIPS does.
        every: of the first ``steps`` every so many have a gradient step, a longer one where that is not 1.
        ranks: the processes that share the windows: a sync step has one sum over them.
    """

    def __init__(
        self,
        embed: Embed,
        strength: float,
        steps: int,
        decay: float,
        batch: int,
        elevations: Sequence[float] = (),
        decoded: bool = False,
        every: int = 1,
        ranks: Ranks = ALONE,
    ) -> None:
        self.embed, self.strength, self.steps, self.decay, self.batch = embed, strength, steps, decay, batch
        self.every, self._cells = every, COARSE_CELLS if decoded else 1
        self._longer = min(DECODED_LONGER, steps / max(1, -(-steps // every)))
        self._skyward = {number for number, degrees in enumerate(elevations) if degrees > POOLED_ABOVE_DEG}
        self._ranks = ranks

    def __call__(
        self, step: int, windows: torch.Tensor, x0: torch.Tensor, rows: list[list[int]], predict: Predict
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Return (None, moved x0)."""
        size = self._longer * self.strength * self.decay**step
        if step >= self.steps or step % self.every or size == 0.0:
            return None, x0
        before, x0 = x0, x0.clone()
        targets = self._targets_of_all(x0, rows)
        for row, target in zip(rows, targets, strict=True):
            if len(row) > 1 or (row and target is not None):
                while not self._try_row(self._embed_of(row), x0, row, size, target):
                    x0[row] = before[row]
                    self._halve_batch(len(row))
        return None, x0

    def _embed_of(self, row: list[int]) -> Embed:
        return pooled(self.embed) if row[0] in self._skyward else self.embed

    def _halve_batch(self, windows: int) -> None:
        self.batch = max(1, min(self.batch, windows) // 2)
        give_memory_back()

    def _targets_of_all(self, x0: torch.Tensor, rows: list[list[int]]) -> Sequence[list[torch.Tensor] | None]:
        """Return the mean features of each row over all processes; None of rows that this one makes alone."""
        if self._ranks.alone or not rows:
            return [None] * len(rows)
        own = [[len(row), bool(row) and row[0] in self._skyward] for row in rows]
        counts, looks = self._ranks.sum(torch.tensor(own, dtype=torch.float32)).T.tolist()
        sums = [
            self._feature_sums(pooled(self.embed) if look else self.embed, x0, row) if count > 1 else None
            for row, count, look in zip(rows, counts, looks, strict=True)
        ]
        self._ranks.sum_each([layer for row in sums for layer in row or ()])
        return [
            None if row is None else [layer / count for layer in row]
            for row, count in zip(sums, counts, strict=True)
        ]

    def _feature_sums(self, embed: Embed, x0: torch.Tensor, row: list[int]) -> list[torch.Tensor]:
        """Return the sums of the features of a row's windows here, layer by layer; zeros of none."""
        while True:
            try:
                if row:
                    return _feature_sums(embed, x0, _batches(sorted(row), self.batch, x0.device))[0]
                return [torch.zeros_like(layer, dtype=torch.float32) for layer in embed(x0[:1])]
            except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if self.batch == 1 or not is_out_of_memory(error):
                    raise
            self._halve_batch(len(row))

    def _try_row(
        self,
        embed: Embed,
        x0: torch.Tensor,
        row: list[int],
        size: float,
        target: list[torch.Tensor] | None,
    ) -> bool:
        """Move a row; return False where memory ran out and fewer windows at once may fit.

        The error ends here, with the tensors of its traceback.
        """
        try:
            self._move_row(embed, x0, row, size, target)
            return True
        except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if self.batch == 1 or not is_out_of_memory(error):
                raise
        return False

    def _move_row(
        self,
        embed: Embed,
        x0: torch.Tensor,
        row: list[int],
        size: float,
        target: list[torch.Tensor] | None,
    ) -> None:
        parts = _batches(sorted(row), self.batch, x0.device)
        if target is None and len(parts) > 1:
            target = _mean_features(embed, x0, parts, len(row))
        for part in parts:
            windows = x0[part].detach().requires_grad_()
            with torch.enable_grad():
                features = embed(windows)
                losses = distance(features, _like(target, features) if target else mean_features(features))
                (gradient,) = torch.autograd.grad(losses.sum(), windows)
            x0[part] -= _step(windows.detach(), losses.detach(), gradient, size, self._cells)


def _mean_features(embed: Embed, x0: torch.Tensor, parts: list[Index], count: int) -> list[torch.Tensor]:
    sums, layers = _feature_sums(embed, x0, parts)
    return [(total / count).to(layer.dtype) for total, layer in zip(sums, layers, strict=True)]


def _feature_sums(
    embed: Embed, x0: torch.Tensor, parts: list[Index]
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the sums over some windows of each layer of their features, float32, and the last features."""
    sums: list[torch.Tensor] = []
    layers: list[torch.Tensor] = []
    for part in parts:
        layers = embed(x0[part])
        totals = [layer.sum(dim=0, keepdim=True, dtype=torch.float32) for layer in layers]
        sums = [a + b for a, b in zip(sums, totals, strict=True)] if sums else totals
    return sums, layers


def _like(target: list[torch.Tensor], features: list[torch.Tensor]) -> list[torch.Tensor]:
    return [mean.to(layer.dtype) for mean, layer in zip(target, features, strict=True)]


def _step(
    windows: torch.Tensor, losses: torch.Tensor, gradient: torch.Tensor, size: float, cells: int
) -> torch.Tensor:
    """Return how far each window moves: to a loss of zero along what fills ``cells``, within the limit."""
    direction = low_pass(gradient, cells)
    slope = (gradient * direction).sum(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    move = size * 2 * losses.reshape(-1, 1, 1, 1) / slope * direction
    limit = size * LIMIT_OF_RMS * windows.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return move * (limit / (move.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + 1e-12)).clamp(max=1)


def _batches(row: list[int], size: int, device: torch.device) -> list[Index]:
    """Return the windows of a row in batches, as indices that a GPU takes without waiting for the processor.

    A list as an index would be copied there, and what comes after it could not be sent ahead.
    """
    parts = [row[start : start + size] for start in range(0, len(row), size)]
    return [
        slice(part[0], part[-1] + 1)
        if part[-1] - part[0] == len(part) - 1
        else torch.tensor(part).to(device, non_blocking=True)
        for part in parts
    ]
