# SPDX-License-Identifier: GPL-3.0-or-later
"""The poles' figure: one for what has no direction, large for rays, small for rings."""

from __future__ import annotations

import pytest
import torch

from sync_engine.canvas.views import equirectangular_rays
from sync_engine.evaluation.picture import Picture
from sync_engine.evaluation.poles import Poles

HEIGHT = 256


def world(paint) -> Picture:
    rays = equirectangular_rays(HEIGHT, torch.arange(HEIGHT), torch.arange(2 * HEIGHT)).float()
    grey = paint(*rays.unbind(dim=1)).reshape(HEIGHT, 2 * HEIGHT)
    return Picture("world", grey.mul(0.5).add(0.5).expand(3, -1, -1), "world")


def waves(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Plane waves from everywhere: texture without a direction."""
    towards = torch.nn.functional.normalize(
        torch.randn(600, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    return (torch.stack([x, y, z], dim=1) @ towards.T * 40).sin().mean(dim=1) * 6


def test_texture_without_a_direction_is_near_one() -> None:
    for figure in Poles().measure(world(waves)).values():
        assert 0.75 < figure < 1.33


@pytest.mark.slow
def test_rays_are_large_and_rings_are_small_at_their_own_pole() -> None:
    rays = world(lambda x, y, z: waves(x, y, z) * 0.1 + (torch.atan2(y, x) * 24).sin() * (z > 0))
    rings = world(lambda x, y, z: waves(x, y, z) * 0.1 + (z * 30).sin() * (z < 0))
    assert Poles().measure(rays)["pole_zenith"] > 5
    assert 0.75 < Poles().measure(rays)["pole_nadir"] < 1.33
    assert Poles().measure(rings)["pole_nadir"] < 0.2


def test_a_plate_has_no_poles() -> None:
    assert Poles().measure(Picture("p", torch.rand(3, 64, 256), "plate")) == {}


def test_a_flat_world_is_measured_without_a_division_by_zero() -> None:
    assert Poles().measure(Picture("w", torch.full((3, 64, 128), 0.5), "world"))[
        "pole_zenith"
    ] == pytest.approx(0, abs=1)
