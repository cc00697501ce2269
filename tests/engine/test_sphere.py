# SPDX-License-Identifier: GPL-3.0-or-later
"""The sphere: exact geometry, honest noise, and neither a seam nor a pole in what it makes."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import interpolate

from sync_engine.canvas.sphere import SphereCanvas, yaw_of_seed
from sync_engine.canvas.views import View, cut_view, equirectangular_rays, fibonacci_points, layout
from sync_engine.sync.fast import FastSync


@pytest.fixture(scope="module")
def canvas() -> SphereCanvas:
    return SphereCanvas(16)


def scene(rays: torch.Tensor) -> torch.Tensor:
    """Three smooth functions of the direction, different at every place of the sphere."""
    x, y, z = rays.unbind(dim=1)
    return torch.stack([x + 0.3 * y * z, y - 0.4 * x * x, z + 0.2 * x * y]).float()


def picture_rays(height: int) -> torch.Tensor:
    return equirectangular_rays(height, torch.arange(height), torch.arange(2 * height))


def views_of_scene(canvas: SphereCanvas, size: int) -> torch.Tensor:
    return torch.stack([scene(view.rays(size)).reshape(3, size, size) for view in canvas.views])


@pytest.mark.parametrize("view", [View(0, 0, 90), View(137, -45, 80), View(-60, 90, 60), View(10, -90, 100)])
def test_rays_and_places_are_inverse(view: View) -> None:
    place, inside = view.project(view.rays(8))
    steps = (torch.arange(8, dtype=torch.float64) + 0.5) / 4 - 1
    assert inside.all()
    torch.testing.assert_close(place.reshape(8, 8, 2)[..., 0], steps.expand(8, 8))
    torch.testing.assert_close(place.reshape(8, 8, 2)[..., 1], steps[:, None].expand(8, 8))


def test_the_picture_looks_along_x_at_its_centre_with_y_to_the_left() -> None:
    rays = picture_rays(180).reshape(180, 360, 3)
    assert rays[89:91, 179:181].mean(dim=(0, 1))[0] > 0.999
    assert rays[90, 90][1] > 0.99, "u = 0.25 looks along +Y"
    assert rays[0].mean(dim=0)[2] > 0.99
    right = View(0, 0, 90).axes()[1]
    assert right[1] == pytest.approx(-1)


@pytest.mark.parametrize("fov", [90, 80, 60, 45])
def test_every_direction_is_seen_well(fov: float) -> None:
    """Each direction is seen, and by at least one view not at its very border; by two or more mostly."""
    rays = fibonacci_points(4000)
    count, best = torch.zeros(4000), torch.zeros(4000)
    for view in (view for row in layout(fov, 0.4) for view in row):
        place, inside = view.project(rays)
        count += inside
        best = torch.maximum(best, torch.where(inside, 1 - place.abs().amax(dim=1), 0).float())
    assert count.min() >= 1
    assert count.mean() > 2
    assert best.min() > 0.15


def test_the_poles_are_seen_by_two_views() -> None:
    """What only one view sees is not averaged: a sharper spot in a clear sky."""
    for fov in (90, 53, 28):
        for pole in (1.0, -1.0):
            direction = torch.tensor([[0.01, 0.0, pole]], dtype=torch.float64)
            places = [v.project(direction) for row in layout(fov, 0.4) for v in row]
            assert sum(bool(inside) and float(place.abs().max()) < 0.1 for place, inside in places) == 2


def test_fusion_weights_sum_to_one(canvas: SphereCanvas) -> None:
    ones = torch.ones(len(canvas.views), 2, 16, 16)
    torch.testing.assert_close(canvas.fuse(ones), ones)


def test_fusing_views_of_one_scene_changes_next_to_nothing(canvas: SphereCanvas) -> None:
    views = views_of_scene(canvas, 16)
    assert (canvas.fuse(views) - views).abs().max() < 0.02


def test_fusion_brings_disagreeing_views_together(canvas: SphereCanvas) -> None:
    """Each view painted with its own shade: after fusion neighbours differ less than before."""
    shades = torch.arange(len(canvas.views), dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 1, 16, 16)
    assert canvas.fuse(shades).mean(dim=(1, 2, 3)).std() < 0.8 * shades.mean(dim=(1, 2, 3)).std()


def test_coarse_fusion_brings_views_together_and_keeps_the_detail_of_each(canvas: SphereCanvas) -> None:
    shades = torch.arange(len(canvas.views), dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 1, 16, 16)
    detail = torch.ones(16, 16)
    detail[::2] *= -1
    detail[:, ::2] *= -1
    fused = canvas.fuse(shades + detail, coarse=True)
    assert fused.mean(dim=(1, 2, 3)).std() < 0.8 * shades.mean(dim=(1, 2, 3)).std()
    kept = [(((view[0] - view[0].mean()) * detail).mean()).item() for view in fused]
    assert min(kept) > 0.95
    whole = canvas.fuse(detail.expand_as(shades))
    assert (whole * detail).mean() < 0.9


@pytest.mark.parametrize("turn", [0.0, 77.3])
def test_decoding_gives_the_scene_at_the_seam_and_the_poles_too(turn: float) -> None:
    canvas = SphereCanvas(16, turn=turn)

    def enlarge(latents: torch.Tensor) -> torch.Tensor:
        return latents

    views = views_of_scene(canvas, 128)
    picture = canvas.decode(enlarge, views, 64, lambda done, parts: None)
    truth = scene(picture_rays(64)).reshape(3, 64, 128).add(1).div(2).clamp(0, 1)
    error = (picture - truth).abs()
    assert error.max() < 0.01
    assert error[..., [0, -1]].mean() < 1.5 * error.mean() + 1e-4
    assert error[:, [0, -1]].mean() < 1.5 * error.mean() + 1e-4


def test_each_seed_turns_the_views_its_own_way() -> None:
    """The picture's end falls at every place of a view: no column is the same one in all worlds."""
    turns = [yaw_of_seed(seed) % 72 for seed in range(200)]
    assert yaw_of_seed(5) == yaw_of_seed(5)
    assert all(sum(low <= turn < low + 9 for turn in turns) > 8 for low in range(0, 72, 9))


def test_noise_is_standard_normal_and_independent_within_a_view(canvas: SphereCanvas) -> None:
    noise = canvas.noise(64, torch.Generator().manual_seed(0))
    assert noise.mean().abs() < 0.01
    assert noise.std() == pytest.approx(1, abs=0.01)
    cells = noise[3].reshape(64, -1)
    correlation = (cells.T @ cells / 64 - torch.eye(256)).fill_diagonal_(0)
    assert correlation.abs().max() < 0.75, "two cells of one view share a sample"


def test_overlapping_views_begin_with_common_noise(canvas: SphereCanvas) -> None:
    noise = canvas.noise(1, torch.Generator().manual_seed(0))
    row = next(row for row in canvas.rows if len(row) > 1)
    first, second = (set(noise[number].flatten().tolist()) for number in row[:2])
    _, inside = canvas.views[row[0]].project(canvas.views[row[1]].rays(16))
    assert len(first & second) > 0.6 * int(inside.sum())


def test_rows_hold_the_views_of_one_elevation(canvas: SphereCanvas) -> None:
    for row in canvas.rows:
        assert len({canvas.elevations[number] for number in row}) == 1
    pulled = [number for row in canvas.rows for number in row]
    aslant = [number for number, elevation in enumerate(canvas.elevations) if abs(elevation) < 89]
    assert sorted(pulled) == aslant, "all but those at the poles, which are one place seen twice"
    assert len(aslant) < len(canvas.views)


@pytest.mark.parametrize("turn", [0.0, 200.5])
def test_thumbnail_is_a_small_world(turn: float) -> None:
    canvas = SphereCanvas(16, turn=turn)
    small = canvas.thumbnail(views_of_scene(canvas, 16))
    assert small.shape == (1, 3, 16, 32)
    truth = scene(picture_rays(16)).reshape(1, 3, 16, 32)
    assert (small - truth).abs().max() < 0.05


def test_sync_pulls_each_row_together_and_no_row_towards_another(canvas: SphereCanvas) -> None:
    """An anchor per elevation row: the zenith must not be pulled towards the horizon."""

    def embed(windows: torch.Tensor) -> list[torch.Tensor]:
        return [windows.tanh()]

    coarse = torch.randn(len(canvas.views), 2, 4, 4, generator=torch.Generator().manual_seed(0))
    x0 = interpolate(coarse, size=(16, 16), mode="bilinear")  # the pull leaves what is finer alone
    x0 += torch.tensor(canvas.elevations).reshape(-1, 1, 1, 1) / 45

    def pulled(windows: torch.Tensor) -> torch.Tensor:
        return FastSync(embed, 1.0, 5, 1.0, 4)(0, windows, windows, canvas.rows, lambda w, numbers: w)[1]

    def spread(windows: torch.Tensor, row: list[int]) -> float:
        return windows[row].tanh().std(dim=0).mean().item()

    together = pulled(x0)
    for row in canvas.rows:
        assert spread(together, row) < 0.97 * spread(x0, row)
        elsewhere = torch.zeros_like(x0)
        elsewhere[row] = x0[row]
        torch.testing.assert_close(pulled(elsewhere)[row], together[row])


def test_a_turned_camera_sees_the_turned_world() -> None:
    """Nothing in the layout depends on where the seam of the picture is."""
    angle = math.radians(40)
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]],
        dtype=torch.float64,
    )
    torch.testing.assert_close(View(15 + 40, -30, 80).rays(8), View(15, -30, 80).rays(8) @ turn.T)


VIEWS = [View(0, 0, 90), View(180, 0, 90), View(137, -45, 50), View(-60, 90, 60), View(10, -80, 100)]


@pytest.mark.parametrize("view", VIEWS)
def test_the_region_of_a_view_holds_all_it_sees(view: View) -> None:
    inside = view.project(picture_rays(90))[1].reshape(90, 180)
    rows, columns = view.region(90)
    assert int(inside[rows][:, columns].sum()) == int(inside.sum()) > 0
    assert len(set(columns.tolist())) == len(columns)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_cut_from_a_picture_shows_the_scene(view: View) -> None:
    """Across the seam and over the poles too."""
    cut = cut_view(scene_picture(256), view, 32)
    truth = scene(view.rays(32)).reshape(1, 3, 32, 32)
    assert (cut - truth).abs().max() < 2e-3


def scene_picture(height: int) -> torch.Tensor:
    return scene(picture_rays(height)).reshape(3, height, 2 * height)
