"""The fast method: pull the clean predictions together, with no pass through the denoiser."""

from __future__ import annotations

import torch

from sync_engine.sampling import Predict
from sync_engine.sync.distance import Embed, distance

STRENGTH = 1.0
STEPS_SHARE = 0.3
DECAY = 0.95
STEP_OF_RMS = 0.25
"""A gradient step moves x0 by this share of its root mean square at strength 1."""


class FastSync:
    """Moves each window's x0 towards the mean look of its row, by the gradient with respect to x0.

    The network's prediction is used as it is and no second pass is made, which is what makes
    this cheap (the gradient of MPGD, He et al. 2024, on the loss of SyncDiffusion, Lee et al. 2023).
    The step is a share of x0's root mean square, so that a strength means the same for every model.

    Args:
        embed: the perceptual embedding of clean latents.
        strength: 1 is normal, 0 changes nothing.
        steps: how many of the first steps pull.
        decay: factor on the strength from one step to the next.
        batch: how many windows are embedded at once.
    """

    def __init__(self, embed: Embed, strength: float, steps: int, decay: float, batch: int) -> None:
        self.embed, self.strength, self.steps, self.decay, self.batch = embed, strength, steps, decay, batch

    def __call__(
        self, step: int, windows: torch.Tensor, x0: torch.Tensor, rows: list[list[int]], predict: Predict
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Return (None, moved x0)."""
        size = self.strength * self.decay**step * STEP_OF_RMS
        if step >= self.steps or size == 0.0:
            return None, x0
        x0 = x0.clone()
        for row in rows:
            if len(row) > 1:
                self._pull_row(x0, row, size)
        return None, x0

    def _pull_row(self, x0: torch.Tensor, row: list[int], size: float) -> None:
        target = self._mean_look(x0, row)
        for part in _batches(row, self.batch):
            windows = x0[part].detach().requires_grad_()
            with torch.enable_grad():
                loss = distance(self.embed(windows), target).sum()
                (gradient,) = torch.autograd.grad(loss, windows)
            rms = windows.detach().square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
            length = gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
            x0[part] -= size * rms * gradient / (length + 1e-12)

    def _mean_look(self, x0: torch.Tensor, row: list[int]) -> list[torch.Tensor]:
        sums: list[torch.Tensor] = []
        for part in _batches(row, self.batch):
            layers = [layer.sum(dim=0, keepdim=True) for layer in self.embed(x0[part])]
            sums = [a + b for a, b in zip(sums, layers, strict=True)] if sums else layers
        return [total / len(row) for total in sums]


def _batches(row: list[int], size: int) -> list[list[int]]:
    return [row[start : start + size] for start in range(0, len(row), size)]
