# SPDX-License-Identifier: GPL-3.0-or-later
"""SyncDiffusion as published: the gradient of LPIPS through the decoder and the denoiser."""

from __future__ import annotations

import torch

from sync_engine.diffusion.joint_loop import Predict
from sync_engine.sync.embeddings import Embed, distance


class PaperSync:
    """Lee et al. 2023 (SyncDiffusion), Algorithm 1, per row of windows.

    Before each of the first steps, every window but its row's anchor moves by

        ``x_t ← x_t − w_i ∇_{x_t} L(window's x0, anchor's x0)``,  ``w_i = strength · decay^i``

    where L is LPIPS of the decoded windows, and is predicted again. The windows go one by one,
    so that memory does not grow with the width.

    Args:
        embed: perceptual embedding of clean latents (it decodes them).
        strength: the published weight is 20.
        steps: number of initial steps with sync; published 10.
        decay: published 0.95.
    """

    def __init__(self, embed: Embed, strength: float, steps: int, decay: float) -> None:
        self.embed, self.strength, self.steps, self.decay = embed, strength, steps, decay

    def __call__(
        self, step: int, windows: torch.Tensor, x0: torch.Tensor, rows: list[list[int]], predict: Predict
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Return (moved noisy windows, their clean predictions)."""
        weight = self.strength * self.decay**step
        if step >= self.steps or weight == 0.0:
            return None, x0
        moved, x0 = windows.clone(), x0.clone()
        for anchor, *others in rows:
            target = self.embed(x0[anchor : anchor + 1])
            for number in others:
                noisy = windows[number : number + 1].detach().requires_grad_()
                with torch.enable_grad():
                    loss = distance(self.embed(predict(noisy, [number])), target).sum()
                    (gradient,) = torch.autograd.grad(loss, noisy)
                moved[number : number + 1] -= weight * gradient
                x0[number : number + 1] = predict(moved[number : number + 1], [number])
        return moved, x0
