# SPDX-License-Identifier: GPL-3.0-or-later
"""The joint loop: diffusers' own loop for one window, and no special column on a ring."""

from __future__ import annotations

import pytest
import torch

from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.common.errors import JobCancelled, OutOfMemory
from sync_engine.diffusion.joint_loop import WindowBatch, sample
from sync_engine.diffusion.prediction import NoiseLevel
from sync_engine.prompting.conditioning import Conditioning
from tests.small_models import tiny


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
@pytest.mark.parametrize("guidance", [7.5, 1.0])
def test_one_window_equals_the_pipeline_of_diffusers(backbone, solver: str, guidance: float) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(backbone.folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = backbone.scheduler(solver, 8)
    canvas = PlaneCanvas(16, 16, 16, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    theirs = pipeline(
        "a calm sea",
        latents=state,
        num_inference_steps=8,
        guidance_scale=guidance,
        output_type="latent",
        height=128,
        width=128,
    ).images
    ours = sample(
        backbone, canvas, backbone.scheduler(solver, 8), state, tiny.conditioning_for(backbone, 1, guidance)
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
def test_a_turned_ring_of_noise_gives_the_turned_picture(backbone, solver: str) -> None:
    canvas = PlaneCanvas(16, 48, 16, 8, wrap=True)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    conditioning = tiny.conditioning_for(backbone, len(canvas.corners))
    straight = sample(backbone, canvas, backbone.scheduler(solver, 4), state, conditioning)
    turned = sample(backbone, canvas, backbone.scheduler(solver, 4), state.roll(16, dims=-1), conditioning)
    torch.testing.assert_close(turned, straight.roll(16, dims=-1), rtol=0, atol=2e-4)


def test_the_batch_does_not_change_the_result(backbone) -> None:
    canvas = PlaneCanvas(16, 40, 16, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    conditioning = tiny.conditioning_for(backbone, len(canvas.corners))
    one, many = (
        sample(backbone, canvas, backbone.scheduler("dpm", 3), state, conditioning, batch=WindowBatch(size))
        for size in (1, 16)
    )
    torch.testing.assert_close(one, many, rtol=0, atol=1e-4)


def test_each_window_has_its_own_prompt(backbone) -> None:
    """With one step and one prompt changed, only what that window covers changes."""
    canvas = PlaneCanvas(16, 32, 16, 16)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    prompts, negative = backbone.encode(["a calm sea", "desert sunset"]), backbone.encode([""])
    pictures = [
        sample(
            backbone,
            canvas,
            backbone.scheduler("ddim", 1),
            state,
            Conditioning.one_prompt_each(prompts, negative, index, 7.5),
        )
        for index in ([0, 0], [0, 1])
    ]
    left, right = (pictures[0] - pictures[1]).abs().amax(dim=(0, 1, 2)).split(16)
    assert left.max() < 1e-5
    assert right.min() > 1e-5


def test_on_step_counts_and_may_stop(backbone) -> None:
    canvas = PlaneCanvas(16, 16, 16, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    seen: list[tuple[int, int]] = []

    def on_step(step) -> None:
        seen.append((step.step, step.steps))
        if step.step == 2:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        sample(
            backbone,
            canvas,
            backbone.scheduler("dpm", 5),
            state,
            tiny.conditioning_for(backbone, 1),
            on_step=on_step,
        )
    assert seen == [(1, 5), (2, 5)]


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "flow_prediction", "sample"])
def test_x0_and_prediction_are_inverse(kind: str) -> None:
    level = NoiseLevel(0.3, 0.7, kind) if kind == "flow_prediction" else NoiseLevel(0.6, 0.8, kind)
    clean, noise = torch.randn(2, 1, 4, 8, 8)
    noisy = level.alpha * clean + level.sigma * noise
    prediction = {
        "epsilon": noise,
        "v_prediction": level.alpha * noise - level.sigma * clean,
        "flow_prediction": noise - clean,
        "sample": clean,
    }[kind]
    torch.testing.assert_close(level.to_x0(prediction, noisy), clean, rtol=0, atol=1e-5)
    torch.testing.assert_close(level.from_x0(clean, noisy), prediction, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_memory_shortage_halves_the_batch_and_says_so() -> None:
    notes: list[str] = []
    sizes: list[int] = []

    def function(windows: torch.Tensor, index: list[int]) -> torch.Tensor:
        sizes.append(len(index))
        if len(index) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return windows * 2

    windows = torch.randn(7, 1, 2, 2)
    result = WindowBatch(8, notes.append).map(function, windows, list(range(7)))
    torch.testing.assert_close(result, windows * 2)
    assert sizes == [7, 4, 2, 2, 2, 1]
    assert len(notes) == 2
    assert "2 windows" in notes[-1]


@pytest.mark.slow
def test_a_single_window_that_does_not_fit_is_out_of_memory() -> None:
    def function(windows: torch.Tensor, index: list[int]) -> torch.Tensor:
        raise MemoryError

    with pytest.raises(OutOfMemory):
        WindowBatch(4).map(function, torch.zeros(3, 1, 2, 2), [0, 1, 2])


def test_other_errors_are_not_taken_for_memory_shortage() -> None:
    def function(windows: torch.Tensor, index: list[int]) -> torch.Tensor:
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        WindowBatch(4).map(function, torch.zeros(3, 1, 2, 2), [0, 1, 2])
