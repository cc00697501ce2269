# SPDX-License-Identifier: GPL-3.0-or-later
"""What guides do at each step of the joint loop: change what the model sees, or add to what it computes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sync_engine.backbones.model import Added
from sync_engine.diffusion.prediction import NoiseLevel
from sync_engine.prompting.conditioning import Conditioning, Entry


class StepGuide:
    """One guide of a job in the loop; a kind of guide overrides the method that it needs.

    ``step`` is the number of the timestep in the scheduler's whole run, from 0.
    """

    def change_state(self, step: int, level: NoiseLevel, state: torch.Tensor) -> torch.Tensor:
        """Return the state, in the canvas's layout, that a step begins with: for pictures that are kept."""
        return state

    def change_windows(
        self, step: int, level: NoiseLevel, windows: torch.Tensor, entries: Sequence[Entry]
    ) -> torch.Tensor:
        """Return the noisy windows ``(N, C, h, w)`` that N entries see: for the bootstrapping of regions.

        They are copies of the canvas's; a change lasts for one evaluation. Differentiable.
        """
        return windows

    def see_clean(
        self,
        step: int,
        level: NoiseLevel,
        windows: torch.Tensor,
        x0: torch.Tensor,
        entries: Sequence[Entry],
    ) -> None:
        """Look at what N entries made of the windows that they saw: clean windows ``(N, C, h, w)``."""

    def holds_state(self, step: int) -> bool:
        """Tell whether a step needs what an earlier one left in this guide, and no run can begin there."""
        return False

    def residuals(
        self,
        step: int,
        timestep: torch.Tensor,
        windows: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
    ) -> Added | None:
        """Return what ControlNets add for a batch of N entries, None where nothing.

        ``windows`` is ``(N, C, h, w)``, scaled as the network knows it. Differentiable.
        """
        return None


def residuals_of(
    guides: Sequence[StepGuide],
    step: int,
    timestep: torch.Tensor,
    windows: torch.Tensor,
    conditioning: Conditioning,
    entries: Sequence[Entry],
) -> Added | None:
    """Return the sum of what all guides add, None where none does."""
    total: Added | None = None
    for guide in guides:
        found = guide.residuals(step, timestep, windows, conditioning, entries)
        if found is not None:
            total = found if total is None else total + found
    return total
