# SPDX-License-Identifier: GPL-3.0-or-later
"""The plane canvas: windows cover it, weights sum to one, the wrap has no special column."""

from __future__ import annotations

import itertools

import pytest
import torch

from sync_engine.canvas.layout import window_starts
from sync_engine.canvas.plane import PlaneCanvas

CANVASES = [
    PlaneCanvas(16, 40, 16, 8),
    PlaneCanvas(24, 50, 16, 7, uniform=True),
    PlaneCanvas(16, 32, 16, 8, wrap=True),
    PlaneCanvas(32, 60, 16, 9, wrap=True),
    PlaneCanvas(8, 100, 16, 16),
    PlaneCanvas(16, 16, 16, 8, wrap=True),
]


@pytest.mark.parametrize("canvas", CANVASES)
def test_fusing_what_was_gathered_gives_the_canvas_back(canvas: PlaneCanvas) -> None:
    state = canvas.noise(3, torch.Generator().manual_seed(1))
    windows = canvas.gather(state)
    assert windows.shape == (len(canvas.corners), 3, canvas.window_height, canvas.window_width)
    torch.testing.assert_close(canvas.fuse(windows), state, rtol=0, atol=1e-5)


@pytest.mark.parametrize("canvas", CANVASES)
def test_fusion_weights_sum_to_one(canvas: PlaneCanvas) -> None:
    ones = torch.ones(len(canvas.corners), 1, canvas.window_height, canvas.window_width)
    fused = canvas.fuse(ones)
    torch.testing.assert_close(fused, torch.ones_like(fused))


@pytest.mark.parametrize(
    ("length", "window", "stride"), [(64, 16, 8), (65, 16, 8), (71, 16, 16), (17, 16, 5)]
)
def test_open_windows_reach_both_ends_whatever_the_stride(length: int, window: int, stride: int) -> None:
    starts = window_starts(length, window, stride, wrap=False)
    assert starts[0] == 0
    assert starts[-1] + window == length
    assert all(0 < b - a <= stride for a, b in itertools.pairwise(starts))


def test_wrapped_windows_cross_the_seam() -> None:
    canvas = PlaneCanvas(16, 64, 16, 8, wrap=True)
    assert any(left + 16 > 64 for _, left in canvas.corners)
    assert len(canvas.corners) == 8


def test_wrapped_gather_and_fuse_commute_with_a_turn_by_one_stride() -> None:
    canvas = PlaneCanvas(16, 64, 16, 8, wrap=True)
    state = canvas.noise(2, torch.Generator().manual_seed(0))
    windows, turned = canvas.gather(state), canvas.gather(state.roll(8, dims=-1))
    torch.testing.assert_close(turned, windows.roll(1, dims=0))
    torch.testing.assert_close(canvas.fuse(turned.square()), canvas.fuse(windows.square()).roll(8, dims=-1))


def test_windows_of_a_high_canvas_know_up_from_down() -> None:
    assert set(PlaneCanvas(16, 40, 16, 8).elevations) == {0.0}
    plate = PlaneCanvas(32, 16, 16, 8).elevations
    assert plate == [30.0, 0.0, -30.0]
    world = PlaneCanvas(64, 128, 32, 16, wrap=True).elevations
    assert world[0] == 45.0
    assert world[-1] == -45.0


def test_each_row_names_its_middle_window_first() -> None:
    canvas = PlaneCanvas(32, 48, 16, 8)
    for row in canvas.rows:
        tops = {canvas.corners[number][0] for number in row}
        lefts = [canvas.corners[number][1] for number in row]
        assert len(tops) == 1
        assert lefts[0] == sorted(lefts)[len(lefts) // 2]
    assert sorted(number for row in canvas.rows for number in row) == list(range(len(canvas.corners)))
