# SPDX-License-Identifier: GPL-3.0-or-later
"""Views of a picture, sample by sample, against another library's: py360convert."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sync_engine.canvas.views import View, cut_view, equirectangular_rays

py360convert = pytest.importorskip(
    "py360convert", reason="py360convert is not installed; it would check the projections sample by sample"
)
HEIGHT, SIZE = 256, 48
VIEWS = [
    View(0, 0, 90),
    View(180, 0, 90),
    View(-37, 25, 60),
    View(137, -45, 90),
    View(10, 80, 75),
    View(0, 90, 90),
    View(0, -90, 60),
]


def degrees_between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    a, b = (torch.nn.functional.normalize(x.double(), dim=-1) for x in (a, b))
    return torch.rad2deg(2 * torch.asin(((a - b).norm(dim=-1) / 2).clamp(max=1)))


@pytest.mark.parametrize("view", VIEWS)
def test_each_sample_looks_where_py360convert_looks(view: View) -> None:
    """The picture holds its own directions, so that a sample tells where it was taken.

    py360convert puts the first and the last sample on the border of the view, we put the centres of
    the pixels; its field of view is set so that both mean the same directions.
    """
    rays = equirectangular_rays(HEIGHT, torch.arange(HEIGHT), torch.arange(2 * HEIGHT))
    picture = rays.reshape(HEIGHT, 2 * HEIGHT, 3)
    reach = math.tan(math.radians(view.fov) / 2) * (1 - 1 / SIZE)
    theirs = py360convert.e2p(
        picture.numpy(),
        fov_deg=math.degrees(2 * math.atan(reach)),
        u_deg=-view.azimuth,
        v_deg=view.elevation,
        out_hw=(SIZE, SIZE),
        mode="bilinear",
    )
    ours = cut_view(picture.permute(2, 0, 1), view, SIZE)[0].permute(1, 2, 0)
    apart = degrees_between(ours, torch.from_numpy(np.ascontiguousarray(theirs)))
    a_pixel = 180 / HEIGHT
    # torch's bicubic kernel bends a ramp by up to 0.07 pixels; a convention that differs is 0.5 off
    assert apart.mean() < 0.06 * a_pixel
    assert apart.max() < 0.1 * a_pixel
