# SPDX-License-Identifier: GPL-3.0-or-later
"""A new canvas is one new file: the toy of ``docs/dev/adding-a-canvas.md`` runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from sync_engine.diffusion.joint_loop import sample
from sync_engine.diffusion.solvers import initial_scale
from tests.small_models import tiny

PAGE = Path(__file__).parents[2] / "docs" / "dev" / "adding-a-canvas.md"


@pytest.fixture
def torus() -> Any:
    """The page's class on a sheet of 24 cells with windows of 16, at every eighth cell."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    names: dict[str, Any] = {}
    exec(compile(found[1], str(PAGE), "exec"), names)
    return names["TorusCanvas"](24, 16, 8)


def test_every_cell_is_seen_and_a_state_that_agrees_stays(torus) -> None:
    state = torus.noise(4, torch.Generator().manual_seed(1))
    assert torus.gather(state).shape == (9, 4, 16, 16)
    torch.testing.assert_close(torus.fuse(torus.gather(state)), state)


def test_the_loop_paints_on_it_and_no_place_is_special(torus, backbone) -> None:
    """The noise moved by one stride to both sides gives the picture moved by as much."""

    def paint(state: torch.Tensor) -> torch.Tensor:
        solver = backbone.scheduler("model", 2, torus.window_size)
        text = tiny.conditioning_for(backbone, 9)
        return sample(backbone, torus, solver, state * initial_scale(solver), text)

    noise = torus.noise(backbone.channels, torch.Generator().manual_seed(1))
    painted, moved = paint(noise), paint(noise.roll((8, 8), (2, 3)))
    assert painted.std() > 0.1
    torch.testing.assert_close(painted.roll((8, 8), (2, 3)), moved, atol=1e-4, rtol=1e-4)


def test_its_picture_wraps(torus, backbone) -> None:
    state = torus.noise(backbone.channels, torch.Generator().manual_seed(1))
    parts: list[tuple[int, int]] = []
    picture = torus.decode(backbone.decode, state, 24 * backbone.scale, lambda *part: parts.append(part))
    assert picture.shape == (3, 24 * backbone.scale, 24 * backbone.scale)
    assert parts == [(1, 1)]
    assert picture.std() > 0.01
