# SPDX-License-Identifier: GPL-3.0-or-later
"""From views to the picture: no shimmer where it is smaller than the views, no view kept."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import torch

from sync_engine.canvas.blending import blend, looks_per_side
from sync_engine.canvas.views import View, layout

VIEWS = [view for row in layout(90, 0.4) for view in row]


def stripes(size: int, period: int) -> torch.Tensor:
    return (torch.arange(size) // (period // 2) % 2).float().expand(1, 3, size, size)


def test_one_look_suits_the_model_s_own_size_and_more_suit_smaller_pictures() -> None:
    view = View(0, 0, 90)
    assert [len(looks_per_side(view, 256, height)) for height in (1024, 512, 256, 128)] == [1, 1, 2, 4]
    assert looks_per_side(view, 256, 512) == [0.0]
    assert looks_per_side(view, 256, 256) == [-0.25, 0.25]


@pytest.mark.parametrize("height", [64, 128])
def test_what_is_finer_than_a_pixel_becomes_its_mean(height: int) -> None:
    """Stripes two pixels wide in views of 256: at the equator a single look would see black or white."""
    picture = blend(((view, stripes(256, 4)) for view in VIEWS), height)
    assert (picture - 0.5).abs().mean() < 0.2
    assert (picture[:, height // 2] - 0.5).abs().max() < 0.25


def test_what_is_larger_than_a_pixel_stays_sharp() -> None:
    face = View(0, 0, 90)
    picture = blend([(face, stripes(256, 64))], 512)
    middle = picture[0, 256, 512 - 100 : 512 + 100]
    assert middle.min() < 0.02
    assert middle.max() > 0.98


@pytest.mark.slow
def test_pictures_of_views_are_not_kept() -> None:
    alive: list[weakref.ref] = []
    most = 0

    def pictures() -> Iterator[tuple[View, torch.Tensor]]:
        nonlocal most
        for view in VIEWS:
            picture = torch.zeros(1, 3, 32, 32)
            alive.append(weakref.ref(picture))
            gc.collect()
            most = max(most, sum(reference() is not None for reference in alive))
            yield view, picture

    blend(pictures(), 64)
    assert most <= 2
