# SPDX-License-Identifier: GPL-3.0-or-later
"""Which diffusers scheduler a diffusion model is sampled with."""

from __future__ import annotations

from typing import Any

from sync_engine.catalog.few_steps import is_few_step
from sync_engine.common.errors import EngineError
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message

_EULER, _ANCESTRAL, _LCM = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "LCMScheduler"
_DDIM, _DPM, _UNIPC = "DDIMScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"
_CLASSES = {
    "ddim": _DDIM,
    "dpm": _DPM,
    "unipc": _UNIPC,
    "euler": _EULER,
    "euler-trailing": _EULER,
    "euler-ancestral": _ANCESTRAL,
    "lcm": _LCM,
}
_KEPT = {_DPM, _UNIPC, _EULER, _ANCESTRAL, _LCM}


def build(name: str, own: Any, steps: int) -> Any:
    """Return a diffusers scheduler with its timesteps set.

    Args:
        name: a solver (a key of ``_CLASSES``), with the settings of the model's folder where it has them;
            ``model``: the one that the folder names where the joint loop supports it, DPM-Solver++ otherwise;
            ``published``: DDIM, but for a distilled model its own.
        own: the scheduler of the model's folder.
        steps: denoising steps.

    Raises:
        EngineError: the solver cannot make so many steps.
    """
    import diffusers

    config, chosen = dict(own.config), own.__class__.__name__
    if name == "published":
        name = "model" if is_few_step(chosen, config) else "ddim"
    folders = chosen if chosen in _KEPT else _DPM
    chosen = folders if name == "model" else _CLASSES[name]
    if name == "euler-trailing":
        config["timestep_spacing"] = "trailing"
    # latents are not bounded by 1, but some classes clip where a folder's scheduler says nothing of it
    scheduler = getattr(diffusers, chosen).from_config(config, clip_sample=False)
    try:
        scheduler.set_timesteps(steps)
    except ValueError as error:
        raise EngineError(
            FailureCode.BAD_SPEC,
            Message(
                "steps = {steps}: {chosen} cannot make so many with this model ({reason}).",
                steps=steps,
                chosen=chosen,
                reason=error,
            ),
            "Use fewer steps.",
        ) from error
    # Euler's classes warn until they have scaled the input themselves; here its NoiseLevel does
    scheduler.is_scale_input_called = True
    return scheduler
