# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that are kept while the rest is painted: Blended Latent Diffusion on any canvas.

Before every step the picture's latents, made noisy to the step's level, take the place of the state where
the picture is (Avrahami et al. 2023, "Blended Latent Diffusion", section 4.1); so the rest grows to fit it.
"""

from __future__ import annotations

import torch

from sync_engine.diffusion.guides import StepGuide
from sync_engine.diffusion.prediction import NoiseLevel


class KeepPicture(StepGuide):
    """Holds the state to a picture where a mask says so.

    Args:
        clean: the picture's latents in the canvas's layout ``(N, C, h, w)``.
        mask: where they are kept, ``(N, 1, h, w)`` in [0, 1].
        noise: standard normal, like ``clean``: the same at every step, so that the state moves on a line.
    """

    def __init__(self, clean: torch.Tensor, mask: torch.Tensor, noise: torch.Tensor) -> None:
        if clean.shape != noise.shape or mask.shape[-2:] != clean.shape[-2:]:
            raise ValueError(f"shapes {clean.shape}, {mask.shape} and {noise.shape} do not fit each other")
        self.clean, self.mask, self.noise = clean, mask, noise

    def change_state(self, step: int, level: NoiseLevel, state: torch.Tensor) -> torch.Tensor:
        """Return the state with the noisy picture in its place."""
        return torch.lerp(state, level.noised(self.clean, self.noise).to(state), self.mask.to(state))


def pasted(picture: torch.Tensor, kept: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return a picture ``(3, H, W)`` with another in it, exactly where the mask ``(H, W)`` is 1."""
    return torch.where(mask == 1, kept, torch.lerp(picture, kept, mask))
