"""Windows of the wrapped equirectangular picture; the two poles painted again as perspective views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from sync_engine.canvas.blending import blend
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.views import View, cut_view, equirectangular_rays
from sync_engine.prediction import levels
from sync_engine.sampling import Conditioning, sample

FOV = 100.0
STRENGTH = 0.6
"""Share of the steps that the poles are painted again for."""
WHOLE, NONE = 55.0, 42.0
"""Above the first elevation only the new face is seen, below the second only the picture."""


def repair_poles(
    backbone: Any,
    picture: torch.Tensor,
    condition: Callable[[float], Conditioning],
    scheduler: Callable[[], Any],
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the picture ``(3, H, 2·H)`` with the zenith and the nadir painted again."""
    height = picture.shape[1]
    window = backbone.window
    rays = equirectangular_rays(height, torch.arange(height), torch.arange(2 * height))
    elevation = torch.rad2deg(torch.asin(rays[:, 2])).float().reshape(height, 2 * height)
    for pole in (90.0, -90.0):
        view = View(0.0, pole, FOV)
        face = cut_view(picture, view, window * backbone.scale) * 2 - 1
        solver = scheduler()
        start = round(len(solver.timesteps) * (1 - STRENGTH))
        level = levels(solver)[start]
        clean = backbone.encode_picture(face)
        state = level.alpha * clean + level.sigma * torch.randn(clean.shape, generator=generator)
        canvas = PlaneCanvas(window, window, window, window)
        x0 = sample(backbone, canvas, solver, state, condition(pole), start=start)
        with torch.no_grad():
            new = backbone.decode(x0).add(1).div(2).clamp(0, 1)
        whole = blend([(view, new)], height).nan_to_num(0)
        towards = elevation if pole > 0 else -elevation
        share = ((towards - NONE) / (WHOLE - NONE)).clamp(0, 1)
        picture = picture * (1 - share) + whole * share
    return picture
