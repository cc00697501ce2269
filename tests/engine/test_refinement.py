# SPDX-License-Identifier: GPL-3.0-or-later
"""Detail passes: the layout of the picture so far stays, and memory does not depend on the views."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import interpolate

from sync_engine.canvas import passes
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.diffusion import refinement
from sync_engine.diffusion.joint_loop import Step, WindowBatch
from sync_engine.prompting.conditioning import Conditioning, TextEmbedding


class Dreamer:
    """A model whose latents are pixels and whose every clean prediction is the same wild pattern."""

    window, scale, channels = 16, 1, 3
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.encoded: list[int] = []

    def offload_for(self, stage) -> None:
        """Everything stays."""

    def encode_picture(self, picture: torch.Tensor) -> torch.Tensor:
        self.encoded.append(len(picture))
        return picture

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents

    def predict(self, windows, timestep, conditioning, entries, residuals=None) -> torch.Tensor:
        steps = torch.arange(16.0)
        stripes = torch.where(steps % 2 == 0, 0.3, -0.3)
        return (stripes + torch.linspace(-0.6, 0.6, 16)[:, None]).expand_as(windows)

    def scheduler(self, steps: int):
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        scheduler = DDIMScheduler(prediction_type="sample", clip_sample=False, timestep_spacing="trailing")
        scheduler.set_timesteps(steps)
        return scheduler


@pytest.fixture(scope="module")
def smaller() -> torch.Tensor:
    """A smooth picture ``(3, 32, 64)``."""
    row, column = torch.linspace(0, 1, 32)[:, None], torch.linspace(0, 6.2832, 65)[:-1]
    return torch.stack(
        [0.2 + 0.6 * row + 0 * column, 0.5 + 0.2 * column.sin() + 0 * row, 0.6 - 0.3 * row + 0 * column]
    )


def refined(smaller: torch.Tensor, model: Any) -> torch.Tensor:
    def condition(canvas: SphereCanvas) -> Conditioning:
        nothing = TextEmbedding((torch.zeros(1, 1),))
        return Conditioning.one_prompt_each(nothing, nothing, [0] * len(canvas.views), 1.0)

    seen: list[tuple[int, int]] = []

    def on_step(canvas: SphereCanvas, step: Step) -> None:
        seen.append((step.step, step.steps))

    scheduler, generator = model.scheduler(10), torch.Generator().manual_seed(0)
    picture = refinement.refine(
        model,
        smaller,
        64,
        30.0,
        condition,
        scheduler,
        generator,
        WindowBatch(16),
        on_step,
        lambda done, parts: None,
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    return picture


def layout_error(picture: torch.Tensor, smaller: torch.Tensor) -> float:
    big, small = (interpolate(p[None], (8, 16), mode="area") for p in (picture, smaller))
    return (big - small).abs().max().item()


def test_the_layout_stays_and_detail_comes(smaller: torch.Tensor) -> None:
    picture = refined(smaller, Dreamer())
    assert picture.shape == (3, 64, 128)
    assert layout_error(picture, smaller) < 0.12
    fine = picture - interpolate(interpolate(picture[None], scale_factor=0.25, mode="area"), (64, 128))[0]
    assert fine.std() > 0.03, "no stripes of the model arrived"


def test_without_that_rule_the_layout_would_be_lost(smaller: torch.Tensor, monkeypatch) -> None:
    """The same run with a pull that keeps nothing: what the test above would see if the rule broke."""
    monkeypatch.setattr(refinement, "LAYOUT_CELLS", 1e-9)
    monkeypatch.setattr(
        refinement.KeepLayout, "__call__", lambda self, step, windows, x0, rows, predict: (None, x0)
    )
    assert layout_error(refined(smaller, Dreamer()), smaller) > 0.25


def test_views_are_encoded_one_by_one(smaller: torch.Tensor) -> None:
    model = Dreamer()
    refined(smaller, model)
    assert set(model.encoded) == {1}
    assert len(model.encoded) > 23


def test_passes_double_the_picture_up_to_the_wanted_size() -> None:
    assert passes.heights(512, 256) == [256]
    assert passes.heights(512, 576) == [576]
    assert passes.heights(512, 1024) == [512, 1024]
    assert passes.heights(512, 1536) == [512, 1024, 1536]
    assert passes.heights(512, 4096) == [512, 1024, 2048, 4096]
    assert passes.field_of_view(32, 8, 512) == pytest.approx(90)
    assert passes.field_of_view(32, 8, 1024) == pytest.approx(53.13, abs=0.01)
