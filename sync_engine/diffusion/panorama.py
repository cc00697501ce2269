# SPDX-License-Identifier: GPL-3.0-or-later
"""What a panorama in one window needs beside the loop: its turns, and poles painted as views see them.

A model sees an equirectangular picture as a picture like any other. What it paints into the highest and
lowest rows, which are single places drawn out over the whole width, becomes a star seen from inside. So the
views straight up and down are cut from the picture, made partly noisy and denoised again (SDEdit, Meng et
al. 2022), and blended over the rows around the poles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from sync_engine.backbones.model import Model
from sync_engine.canvas.blending import blend
from sync_engine.canvas.panorama import PanoramaCanvas
from sync_engine.canvas.sphere import POLE_ELEVATION, SphereCanvas
from sync_engine.canvas.tiled_decode import TiledFallbackDecoder
from sync_engine.canvas.views import View, continued, cut_continued
from sync_engine.diffusion.guides import StepGuide
from sync_engine.diffusion.joint_loop import WindowBatch, sample
from sync_engine.diffusion.prediction import NoiseLevel, levels
from sync_engine.interface.messages import Stage
from sync_engine.prompting.conditioning import Conditioning

STRENGTH = 0.5
"""Share of the steps that the views of the poles repeat."""
OWN_ABOVE_DEG, NEW_ABOVE_DEG = 50.0, 65.0
"""Elevations, up and down, between which the picture passes from the panorama to the views of the poles."""


class TurnEachStep(StepGuide):
    """Turns a panorama's canvas before each step of the loop."""

    def __init__(self, canvas: PanoramaCanvas) -> None:
        self._canvas = canvas

    def change_state(self, step: int, level: NoiseLevel, state: torch.Tensor) -> torch.Tensor:
        """Return the state as it is."""
        self._canvas.turn(step)
        return state


def is_at_a_pole(view: View) -> bool:
    """Whether a view looks straight up or down."""
    return abs(view.elevation) >= POLE_ELEVATION


def repair_poles(
    model: Model,
    picture: torch.Tensor,
    condition: Callable[[SphereCanvas], Conditioning],
    scheduler: Any,
    generator: torch.Generator,
    batch: WindowBatch,
    note: Callable[[str], None] = lambda text: None,
) -> torch.Tensor:
    """Return a panorama ``(3, H, 2·H)`` in [0, 1] with its poles painted anew, of the same size.

    Args:
        model: encodes, denoises, decodes.
        picture: the panorama.
        condition: gives the prompts for the poles' views.
        scheduler: a diffusers scheduler whose timesteps are set for a whole run.
        generator: draws the noise.
        batch: how many windows at once.
        note: told when memory is short.
    """
    canvas = SphereCanvas(model.window, only=is_at_a_pole)
    source, size = continued(picture), canvas.window * model.scale
    model.offload_for(Stage.DECODE)  # the autoencoder works alone, before and after the denoiser
    with torch.no_grad():
        cut = (cut_continued(source, view, size).mul(2).sub(1).to(model.device) for view in canvas.views)
        clean = torch.cat([model.encode_picture(view).float() for view in cut])
    steps = len(scheduler.timesteps)
    start = min(round(steps * (1 - STRENGTH)), steps - 1)
    state = levels(scheduler)[start].noised(clean, canvas.noise(model.channels, generator).to(clean))
    told = condition(canvas)
    x0 = sample(model, canvas, scheduler, state, told, batch=batch, start=start, generator=generator)
    model.offload_for(Stage.DECODE)
    decode, height = TiledFallbackDecoder(model, note), picture.shape[1]
    with torch.no_grad():
        views = ((view, decode(x0[n : n + 1])) for n, view in enumerate(canvas.views))
        new = blend(views, height).add_(1).div_(2).clamp_(0, 1)
    share = pole_share(height)[:, None].to(picture)
    return torch.where(share > 0, picture + share * (new.nan_to_num(0.0) - picture), picture)


def pole_share(height: int) -> torch.Tensor:
    """Return how much of each row ``(height,)`` comes from the views of the poles, smooth from 0 to 1."""
    elevation = (0.5 - (torch.arange(height) + 0.5) / height).abs() * 180
    part = ((elevation - OWN_ABOVE_DEG) / (NEW_ABOVE_DEG - OWN_ABOVE_DEG)).clamp(0, 1)
    return part * part * (3 - 2 * part)
