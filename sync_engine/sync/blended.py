# SPDX-License-Identifier: GPL-3.0-or-later
"""The method that makes one window after the other: each continues what those before it finished.

Blended Latent Diffusion (Avrahami et al. 2023) used for extrapolation, as SyncDiffusion (Lee et al.
2023) compares with it: one window is made, then the picture grows to both sides. What a window sees of
the finished picture is replaced, before every step, by its clean latents made noisy to the level of
the step; only the rest is new.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch

from sync_engine.backbones.model import Denoiser
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.diffusion.joint_loop import Checkpoint, Step, WindowBatch, x0_predictor
from sync_engine.diffusion.prediction import levels
from sync_engine.diffusion.solvers import advance, initial_scale
from sync_engine.prompting.conditioning import Conditioning


def starts(length: int, window: int, stride: int, wrap: bool) -> list[int]:
    """Return where windows of ``window`` cells start on an axis, in the order in which they are made.

    After the first they lie by turns beyond its end and before its beginning, and each adds at most
    ``stride`` cells. On a ring the last lies over the middle of the gap and sees both its sides.
    """
    kept = kept_of_first(length, window, stride, wrap)
    missing = length - kept
    count = -(-missing // stride)
    edges = [number * missing // count for number in range(count + 1)] if count else [0]
    new = [end - begin for begin, end in pairwise(edges)]
    first = (length - window) // 2 if wrap else sum(new[1::2])
    low = first + (window - kept) // 2
    high = low + kept
    found = [first]
    for number, cells in enumerate(new):
        if wrap and number == count - 1:
            found.append(high - (window - cells) // 2)
        elif number % 2 == 0:
            high += cells
            found.append(high - window)
        else:
            low -= cells
            found.append(low)
    return [start % length for start in found]


def kept_of_first(length: int, window: int, stride: int, wrap: bool) -> int:
    """Return how many cells of an axis's first window stay: its middle, where it nearly fills a ring.

    Its two ends know nothing of each other; the second window makes them anew as one.
    """
    return min(window, length - max(1, min(stride, window // 2))) if wrap else window


@torch.no_grad()
def extend(
    denoiser: Denoiser,
    canvas: PlaneCanvas,
    scheduler: Callable[[], Any],
    state: torch.Tensor,
    conditioning: Conditioning,
    generator: torch.Generator,
    batch: WindowBatch | None = None,
    on_step: Callable[[Step], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> torch.Tensor:
    """Make the windows of a canvas one after the other and return its clean latents ``(1, C, H, W)``.

    Args:
        denoiser: predicts from noisy windows.
        canvas: its windows, placed by ``starts`` of this module.
        scheduler: gives a diffusers scheduler with its timesteps set, a new one for each window.
        state: initial noise ``(1, C, H, W)``, float32, on the denoiser's device.
        conditioning: text embeddings and guidance scale.
        generator: on the CPU; draws the noise that finished parts and stochastic solvers get at each step.
        batch: checks for a stop and tells of missing memory; one window is made at a time.
        on_step: called after each step, steps counted over all windows; may raise to stop.
        checkpoint: keeps the canvas between steps, and may have one to go on from.
    """
    batch = batch or WindowBatch(1)
    clean = torch.zeros_like(state)
    finished = torch.zeros(canvas.height, canvas.width, dtype=torch.bool)
    height, width = canvas.window_height, canvas.window_width

    def draw_noise() -> torch.Tensor:
        return torch.randn(1, state.shape[1], height, width, generator=generator).to(state)

    columns = len(canvas.rows[0])
    kept = kept_of_first(canvas.width, width, canvas.stride, canvas.wrap)
    solver, done = scheduler(), 0
    count = len(solver.timesteps)
    like = {"clean": clean, "window": state[..., :height, :width]}
    found = checkpoint.restore(solver, generator, like) if checkpoint is not None else None
    if found is not None:
        done, clean = found[0], found[1]["clean"]
    for number, (top, left) in enumerate(canvas.corners):
        rows = torch.arange(top, top + height)[:, None]
        around = torch.arange(left, left + width)[None] % canvas.width
        stays = slice((width - kept) // 2, (width - kept) // 2 + kept)
        new = around[:, stays] if number % columns == 0 else around
        if (number + 1) * count <= done:  # an earlier run has made it
            finished[rows, new] = True
            continue
        known = finished[rows, around]
        mask = known.to(state.device)
        source = clean[..., rows, around]

        first = max(0, done - number * count)
        if first and found is not None:
            window = found[1]["window"]
        else:
            solver = scheduler()
            window = state[..., rows, around] * initial_scale(solver)
        steps = list(zip(solver.timesteps, levels(solver), strict=True))
        for step, (timestep, level) in list(enumerate(steps))[first:]:
            if known.any():
                window = torch.where(mask, level.noised(source, draw_noise()), window)
            predict = x0_predictor(denoiser, timestep, level, conditioning, batch, step)
            x0 = predict(window, [number])
            window = advance(solver, step, level, x0, window, draw_noise)
            clean[..., rows, around] = torch.where(mask, source, window if step + 1 == count else x0)
            if checkpoint is not None:
                after = number * count + step + 1
                checkpoint.keep(after, {"clean": clean, "window": window}, solver, generator)
            if on_step is not None:
                on_step(Step(number * count + step + 1, len(canvas.corners) * count, clean))
        finished[rows, new] = True
    return clean
