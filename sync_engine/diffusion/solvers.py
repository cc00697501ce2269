# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a solver, which is a diffusers scheduler, on the whole canvas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from sync_engine.diffusion.prediction import NoiseLevel

_ANCESTRAL, _LCM = "EulerAncestralDiscreteScheduler", "LCMScheduler"


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
