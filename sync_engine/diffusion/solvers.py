# SPDX-License-Identifier: GPL-3.0-or-later
"""Solvers: which diffusers scheduler a model is sampled with, and one step of it on the whole canvas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sync_engine.catalog.few_steps import is_few_step
from sync_engine.common.errors import EngineError
from sync_engine.common.late import torch
from sync_engine.diffusion.prediction import NoiseLevel
from sync_engine.interface.messages import FailureCode

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
            f"steps = {steps}: {chosen} cannot make so many with this model ({error}).",
            "Use fewer steps.",
        ) from error
    # Euler's classes warn until they have scaled the input themselves; here its NoiseLevel does
    scheduler.is_scale_input_called = True
    return scheduler


def initial_scale(scheduler: Any) -> float:
    """Return the factor on standard normal noise that makes it the first state of a scheduler."""
    return float(getattr(scheduler, "init_noise_sigma", 1.0))


def advance(
    scheduler: Any,
    step: int,
    level: NoiseLevel,
    x0: torch.Tensor,
    state: torch.Tensor,
    draw_noise: Callable[[], torch.Tensor],
) -> torch.Tensor:
    """Return the state after one step, given its clean latents; both in the canvas's layout, float32.

    Stochastic solvers take their noise from ``draw_noise``, so that the canvas decides how overlapping
    windows share it; schedulers of diffusers would draw it for every window alone. So the two whose ``step``
    takes no noise from outside are written here: ancestral Euler (Karras et al. 2022, with the split of
    k-diffusion) and LCM's multistep sampling (Luo et al. 2023, algorithm 3; boundary conditions of
    Song et al. 2023, appendix C).
    """
    timestep = scheduler.timesteps[step]
    kind = scheduler.__class__.__name__
    if kind == _ANCESTRAL:
        now, then = scheduler.sigmas[step : step + 2].tolist()
        up = then * math.sqrt(max(0.0, 1 - (then / now) ** 2))
        down = math.sqrt(max(0.0, then**2 - up**2))
        state = x0 + (state - x0) * (down / now)
        return state + up * draw_noise() if up else state
    if kind == _LCM:
        skip, out = scheduler.get_scalings_for_boundary_condition_discrete(int(timestep))
        clean = out * x0 + skip * state
        if step + 1 == len(scheduler.timesteps):
            return clean
        signal = float(scheduler.alphas_cumprod[int(scheduler.timesteps[step + 1])])
        return math.sqrt(signal) * clean + math.sqrt(1 - signal) * draw_noise()
    options = {}
    if str(scheduler.config.get("algorithm_type")).startswith("sde-"):
        options["variance_noise"] = draw_noise()
    return scheduler.step(level.from_x0(x0, state), timestep, state, **options).prev_sample
