# SPDX-License-Identifier: GPL-3.0-or-later
"""A photo in a panorama or plate: where it lands, how much it covers, what lies around it."""

from __future__ import annotations

import math

import pytest
import torch

from sync_engine.canvas.placing import cells_inside, feathered_inside, on_plate, on_sphere
from sync_engine.canvas.views import View, cut_view


def gradient(rows: int = 60, columns: int = 80) -> torch.Tensor:
    """Return a photo whose red is its column and green its row, both 0 to 1."""
    y, x = torch.meshgrid(torch.linspace(0, 1, rows), torch.linspace(0, 1, columns), indexing="ij")
    return torch.stack([x, y, torch.full_like(x, 0.5)])


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (175, 0), (-90, 30), (40, -60), (10, 85)])
def test_a_view_of_the_panorama_shows_the_photo_again(azimuth: float, elevation: float) -> None:
    photo = gradient(80, 80)
    panorama, mask = on_sphere(photo, azimuth, elevation, 60.0, 256)
    seen = cut_view(panorama, View(azimuth, elevation, 60.0), 80)[0]
    assert (seen - photo)[:, 8:-8, 8:-8].abs().max() < 0.02
    inside = cut_view(mask[None], View(azimuth, elevation, 56.0), 32)[0]
    assert inside.min() > 0.9
    outside = cut_view(mask[None], View(azimuth, elevation, 90.0), 33)[0, 0]
    assert outside[:3].max() < 0.1


def test_its_share_of_the_sphere_is_that_of_its_solid_angle() -> None:
    _, mask = on_sphere(gradient(60, 80), 20.0, 10.0, 80.0, 256)
    elevation = (0.5 - (torch.arange(256) + 0.5) / 256) * math.pi
    share = float((mask * elevation.cos()[:, None]).sum() * (math.pi / 256) ** 2)
    a, b = math.tan(math.radians(40)), math.tan(math.radians(40)) * 60 / 80
    wanted = 4 * math.asin(a * b / math.sqrt((1 + a * a) * (1 + b * b)))
    assert share == pytest.approx(wanted, rel=0.01)


def test_a_fine_photo_does_not_alias() -> None:
    stripes = (torch.arange(2048) % 2).float().expand(3, 1024, 2048)
    panorama, mask = on_sphere(stripes, 0.0, 0.0, 60.0, 64)
    assert (panorama[:, mask == 1] - 0.5).abs().max() < 0.1


def test_a_photo_on_a_plate_lies_where_it_was_put() -> None:
    plate, mask = on_plate(gradient(), 0.25, 0.5, 0.25, 128, 512)
    rows, columns = mask.nonzero(as_tuple=True)
    assert (columns.min(), columns.max() + 1) == (64, 192)
    assert (rows.max() + 1 - rows.min()) == 96
    assert float(plate[0, 64, 64]) < 0.02
    assert float(plate[0, 64, 191]) > 0.98
    assert torch.equal(plate[:, 64, 192], plate[:, 64, 400]), "around it its border goes on"


def test_a_feather_lies_inside_and_goes_around() -> None:
    mask = torch.zeros(32, 64)
    mask[8:24, :] = 1
    soft = feathered_inside(mask, 4, wrap=True)
    assert ((soft > 0) <= (mask > 0)).all()
    assert torch.equal(soft[12:20], torch.ones(8, 64)), "whole from the fourth pixel on, at both edges too"
    assert (soft[8:12].diff(dim=0) > 0).all()
    assert feathered_inside(mask, 4, wrap=False)[16, 0] == 1, "the edge of a plate is no border of the photo"
    assert torch.equal(feathered_inside(mask, 0, wrap=True), mask)


def test_cells_count_where_all_their_pixels_lie_inside() -> None:
    mask = torch.zeros(32, 32)
    mask[8:24, 9:24] = 1
    cells = cells_inside(mask, 8)
    assert cells.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
