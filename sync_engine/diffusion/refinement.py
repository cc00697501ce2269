# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds larger than the model's own pixels per degree: later passes over smaller views add detail.

Each pass doubles the picture. Its views are cut from the picture so far, made partly noisy again
(SDEdit, Meng et al. 2022) and denoised jointly like the first. What fills two cells or more is
taken from the picture so far at every step (ILVR, Choi et al. 2021): a view of 30° holds too little
for a model to know a hill from a blotch, so the layout stays and only detail comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from sync_engine.backbones.model import Model
from sync_engine.canvas.passes import field_of_view
from sync_engine.canvas.smoothing import low_pass
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.canvas.tiled_decode import TiledFallbackDecoder
from sync_engine.canvas.views import continued, cut_continued
from sync_engine.common.ranks import ALONE, Ranks
from sync_engine.diffusion.joint_loop import Checkpoint, Predict, Step, WindowBatch, sample
from sync_engine.diffusion.prediction import levels
from sync_engine.interface.messages import Stage
from sync_engine.prompting.conditioning import Conditioning

STRENGTH = 0.4
"""Share of the steps that a detail pass repeats."""
LAYOUT_CELLS = 2
"""What fills so many latent cells of a view is layout and is kept: the smaller picture shows it already."""
LARGER_STRENGTH, LARGER_CELLS = 0.6, 3
"""The same where a finished picture is made larger: what was painted is kept in its pixels afterwards
(``runtime/enlargement.py``), so that a pass may paint more."""


def refine(
    model: Model,
    picture: torch.Tensor,
    height: int,
    turn: float,
    condition: Callable[[SphereCanvas], Conditioning],
    scheduler: Any,
    generator: torch.Generator,
    batch: WindowBatch,
    on_step: Callable[[SphereCanvas, Step], None],
    on_part: Callable[[int, int], None],
    note: Callable[[str], None] = lambda text: None,
    strength: float = STRENGTH,
    layout_cells: int = LAYOUT_CELLS,
    checkpoint: Checkpoint | None = None,
    decode: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ranks: Ranks = ALONE,
) -> torch.Tensor:
    """Return the picture ``(3, H, 2·H)`` in [0, 1] at a larger height, with new detail.

    Args:
        model: encodes, denoises, decodes.
        picture: the smaller picture, ``(3, h, 2·h)`` in [0, 1].
        height: the new height.
        turn: how far the views are turned around the vertical, in degrees.
        condition: gives the prompts for the pass's views.
        scheduler: a diffusers scheduler whose timesteps are set for a whole run.
        generator: draws the pass's noise, and what stochastic solvers add.
        batch: how many windows at once.
        on_step: called with the pass's canvas after each denoising step; may raise to stop.
        on_part: called after each decoded view; may raise to stop.
        note: told when memory is short and the views are decoded in tiles.
        strength: share of the steps that are repeated.
        layout_cells: what fills so many latent cells of a view is kept.
        checkpoint: keeps the state between steps, and may have one to go on from.
        decode: latents to pictures; the model's own, in tiles where memory is short, by default.
        ranks: the processes that share the views; each has the picture, the smaller one and the larger one.
    """
    fov = min(90.0, field_of_view(model.window, model.scale, height))  # 90: below the model's own height
    canvas = SphereCanvas(model.window, fov, turn, ranks=ranks)
    model.offload_for(Stage.DECODE)  # the autoencoder works alone, before and after the denoiser
    clean = _encode_views(model, canvas, picture)
    steps = len(scheduler.timesteps)
    start = min(round(steps * (1 - strength)), steps - 1)
    level = levels(scheduler)[start]
    noise = canvas.noise(model.channels, generator).to(model.device)
    state = level.noised(clean, noise)

    def step_of_pass(step: Step) -> None:
        on_step(canvas, Step(step.step - start, step.steps - start, step.x0))

    x0 = sample(
        model,
        canvas,
        scheduler,
        state,
        condition(canvas),
        KeepLayout(clean, layout_cells),
        batch,
        on_step=step_of_pass,
        start=start,
        generator=generator,
        checkpoint=checkpoint,
    )
    model.offload_for(Stage.DECODE)
    return canvas.decode(decode or TiledFallbackDecoder(model, note), x0, height, on_part)


@torch.no_grad()
def _encode_views(model: Model, canvas: SphereCanvas, picture: torch.Tensor) -> torch.Tensor:
    """Return the latents ``(V, C, w, w)`` of what each view here sees of a picture, encoded one by one."""
    source = continued(picture)
    size = canvas.window * model.scale
    views = (cut_continued(source, canvas.views[number], size) for number in canvas.numbers)
    return torch.cat([model.encode_picture(view.mul(2).sub(1).to(model.device)) for view in views])


class KeepLayout:
    """The sync of a detail pass: it keeps what fills several cells as it was in the picture so far.

    Args:
        clean: the latents ``(V, C, w, w)`` of the picture so far in each view.
        cells: what fills so many is layout.
    """

    def __init__(self, clean: torch.Tensor, cells: int = LAYOUT_CELLS) -> None:
        self.clean, self.cells = clean, cells

    def __call__(
        self, step: int, windows: torch.Tensor, x0: torch.Tensor, rows: list[list[int]], predict: Predict
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Return (None, x0 with the layout of the picture so far)."""
        return None, x0 + low_pass(self.clean - x0, self.cells)
