# SPDX-License-Identifier: GPL-3.0-or-later
"""How a U-Net that was distilled to a few steps is known by its scheduler."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class FewSteps:
    """How a distilled U-Net is sampled that comes as one file.

    Attributes:
        steps: how many it was distilled for.
        ancestral: whether with the noise of ancestral Euler, as Turbo is, or without.
        window: side of its windows in pixels; 0 for its base's.
    """

    steps: int
    ancestral: bool
    window: int = 0


def said_by(name: str) -> FewSteps | None:
    """Return how a single file is sampled whose name or title says that it is distilled; None for another.

    Nothing in such a file tells it from its base but what people call it.
    """
    words = re.sub(r"[^a-z0-9]+", " ", name.lower())
    told = re.search(r"\b(\d{1,2}) ?steps?\b", words)
    steps = int(told[1]) if told and 0 < int(told[1]) <= 16 else FEW_STEPS
    if re.search(r"\b(sd|xl|sdxl)? ?turbo\b", words):
        return FewSteps(steps, ancestral=True, window=512)
    if re.search(r"\b(lightning|hyper)\b", words):
        return FewSteps(steps, ancestral=False)
    return None


def apply(parts: dict[str, Any], how: FewSteps) -> None:
    """Give the parts of a model the scheduler and the window of a distilled one."""
    import diffusers

    name = "EulerAncestralDiscreteScheduler" if how.ancestral else "EulerDiscreteScheduler"
    scheduler = getattr(diffusers, name)
    parts["scheduler"] = scheduler.from_config(parts["scheduler"].config, timestep_spacing="trailing")
    if how.window:
        scale = 2 ** (len(parts["vae"].config.block_out_channels) - 1)
        parts["unet"].register_to_config(sample_size=how.window // scale)
