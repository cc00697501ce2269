# SPDX-License-Identifier: GPL-3.0-or-later
"""How a U-Net that was distilled to a few steps is known by its scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FEW_STEPS, FEW_STEPS_GUIDANCE = 4, 1.0
"""Defaults of a distilled U-Net; guidance is off."""
EMBEDDED_GUIDANCE = 8.0
"""Guidance of a distilled U-Net that gets it as an input (LCM, Luo et al. 2023)."""


def is_few_step(solver: str, config: Mapping[str, Any]) -> bool:
    """Whether the scheduler that a model's folder names is one of a distilled U-Net.

    LCM's is; so is Euler's, ancestral or not, with trailing timesteps: Turbo and Lightning models name it.
    Models that were tuned to begin in pure noise (Lin et al. 2023) name it too and are not distilled.
    """
    euler = solver in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
    trailing = config.get("timestep_spacing") == "trailing" and not config.get("rescale_betas_zero_snr")
    return solver == "LCMScheduler" or (euler and trailing)
