# SPDX-License-Identifier: GPL-3.0-or-later
"""The method blended: windows made one after the other, each continuing what is finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sync_engine.__main__ import main
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.common.errors import JobCancelled
from sync_engine.common.progress import Reporter
from sync_engine.diffusion.joint_loop import sample
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.prompting.conditioning import Conditioning
from sync_engine.runtime.job import Engine
from sync_engine.sync.blended import extend, kept_of_first, starts

WINDOW = 16


def canvas_of(width: int, wrap: bool = False, height: int = WINDOW, stride: int = 8) -> PlaneCanvas:
    return PlaneCanvas(height, width, WINDOW, stride, wrap=wrap, starts=starts)


def conditioning_for(backbone, windows: int) -> Conditioning:
    prompts = backbone.encode(["a calm sea", "desert sunset"])
    return Conditioning.one_prompt_each(
        prompts, backbone.encode([""]), [number % 2 for number in range(windows)], 3.0
    )


def run(backbone, canvas: PlaneCanvas, solver: str = "ddim", steps: int = 3, on_step=None) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return extend(
        backbone,
        canvas,
        lambda: backbone.scheduler(solver, steps),
        canvas.noise(4, generator),
        conditioning_for(backbone, len(canvas.corners)),
        generator,
        on_step=on_step,
    )


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("stride", [1, 5, 8, 16])
@pytest.mark.parametrize("length", [16, 17, 19, 24, 40, 47, 128])
def test_every_window_has_new_cells_and_none_is_left_out(length: int, stride: int, wrap: bool) -> None:
    kept = kept_of_first(length, WINDOW, stride, wrap)
    finished: set[int] = set()
    for number, start in enumerate(starts(length, WINDOW, stride, wrap)):
        cells = [start + i for i in range(WINDOW)]
        assert wrap or (cells[0] >= 0 and cells[-1] < length)
        cells = [cell % length for cell in cells]
        if number == 0:
            cells = cells[(WINDOW - kept) // 2 :][:kept]
        new = set(cells) - finished
        assert new
        assert number == 0 or len(new) <= stride
        finished |= new
    assert finished == set(range(length))


@pytest.mark.parametrize("length", [16, 17, 24, 40, 47, 128])
def test_the_last_window_of_a_ring_sees_both_sides_of_the_gap(length: int) -> None:
    *before, last = starts(length, WINDOW, 8, True)
    kept = kept_of_first(length, WINDOW, 8, True)
    finished = [False] * length
    for number, start in enumerate(before):
        skip, count = ((WINDOW - kept) // 2, kept) if number == 0 else (0, WINDOW)
        for cell in range(start + skip, start + skip + count):
            finished[cell % length] = True
    seen = [finished[(last + i) % length] for i in range(WINDOW)]
    gap = [i for i, known in enumerate(seen) if not known]
    assert gap == list(range(gap[0], gap[-1] + 1)), "one gap"
    left, right = gap[0], WINDOW - 1 - gap[-1]
    assert min(left, right) >= 4
    assert abs(left - right) <= 1


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
def test_one_window_equals_plain_sampling(backbone, solver: str) -> None:
    plain = PlaneCanvas(WINDOW, WINDOW, WINDOW, 8, uniform=True)
    state = plain.noise(4, torch.Generator().manual_seed(5))
    expected = sample(backbone, plain, backbone.scheduler(solver, 5), state, conditioning_for(backbone, 1))
    torch.testing.assert_close(run(backbone, canvas_of(WINDOW), solver, 5), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("width", "height", "wrap"), [(40, 16, False), (40, 16, True), (40, 24, True)])
def test_what_is_finished_is_kept_exactly(backbone, width: int, height: int, wrap: bool) -> None:
    """While a window begins, what the ones before it finished is already the result, to the bit."""
    canvas = canvas_of(width, wrap, height)
    steps, pictures = 2, []

    def on_step(step) -> None:
        if step.step % steps == 1:
            pictures.append(step.x0.clone())

    result = run(backbone, canvas, "dpm", steps, on_step)
    finished = torch.zeros(height, width, dtype=torch.bool)
    for picture, (top, left) in zip(pictures, canvas.corners, strict=True):
        assert torch.equal(picture[..., finished], result[..., finished])
        assert not torch.equal(picture, result)
        rows = torch.arange(top, top + WINDOW)[:, None]
        finished[rows, torch.arange(left, left + WINDOW)[None] % width] = True
    assert finished.all()
    assert (result != 0).all()


def straight(backbone, noise: torch.Tensor, order, generator: torch.Generator, steps: int) -> torch.Tensor:
    """Blended Latent Diffusion with DDIM written out: explicit ᾱ, window by window, on a padded ring."""
    conditioning = conditioning_for(backbone, len(order))
    width = noise.shape[-1]
    picture = torch.full((4, WINDOW, width), torch.nan)
    scheduler = backbone.scheduler("ddim", steps)
    products = scheduler.alphas_cumprod
    gap = scheduler.config.num_train_timesteps // steps
    for number, left in enumerate(order):
        columns = [(left + i) % width for i in range(WINDOW)]
        x = torch.stack([noise[0, :, :, c] for c in columns], dim=-1)
        old = torch.stack([picture[:, :, c] for c in columns], dim=-1)
        known, entries = ~old.isnan(), conditioning.entries_of(number)
        for t in scheduler.timesteps.tolist():
            now = products[t]
            later = products[t - gap] if t >= gap else scheduler.final_alpha_cumprod
            if known.any():
                fresh = torch.randn(1, 4, WINDOW, WINDOW, generator=generator)[0]
                x[known] = (now.sqrt() * old + (1 - now).sqrt() * fresh)[known]
            with torch.no_grad():
                eps = backbone.predict(x[None], torch.tensor(t), conditioning, entries)[0]
            if scheduler.config.prediction_type == "v_prediction":
                eps = now.sqrt() * eps + (1 - now).sqrt() * x
            x0 = (x - (1 - now).sqrt() * eps) / now.sqrt()
            x = later.sqrt() * x0 + (1 - later).sqrt() * eps
        for i, c in enumerate(columns):
            picture[:, :, c] = torch.where(known[..., i], old[..., i], x[..., i])
    return picture[None]


@pytest.mark.parametrize(("wrap", "order"), [(False, [8, 16, 0, 24]), (True, [12, 20, 4, 32])])
def test_it_agrees_with_a_straight_implementation(backbone, wrap: bool, order: list[int]) -> None:
    canvas = canvas_of(40, wrap)
    assert [left for _, left in canvas.corners] == order
    generator = torch.Generator().manual_seed(5)
    expected = straight(backbone, canvas.noise(4, generator), order, generator, 4)
    torch.testing.assert_close(run(backbone, canvas, "ddim", 4), expected, rtol=0, atol=1e-4)


def test_steps_are_counted_over_all_windows_and_may_stop(backbone) -> None:
    canvas = canvas_of(40)
    seen: list[tuple[int, int]] = []

    def on_step(step) -> None:
        seen.append((step.step, step.steps))
        if len(seen) == 5:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        run(backbone, canvas, "ddim", 3, on_step)
    total = 3 * len(canvas.corners)
    assert seen == [(number, total) for number in range(1, 6)]


def test_the_denoiser_sees_one_window_at_a_time_whatever_the_width(backbone) -> None:
    sizes = set()

    class Watched:
        def predict(self, windows, timestep, conditioning, entries, residuals=None):
            sizes.add(tuple(windows.shape))
            return torch.zeros_like(windows)

    for width in (32, 256):
        canvas = canvas_of(width)
        state = canvas.noise(4, torch.Generator().manual_seed(5))
        conditioning = conditioning_for(backbone, len(canvas.corners))
        extend(
            Watched(), canvas, lambda: backbone.scheduler("dpm", 1), state, conditioning, torch.Generator()
        )
    assert sizes == {(1, 4, WINDOW, WINDOW)}


def test_the_sphere_is_refused_with_a_remedy() -> None:
    with pytest.raises(SpecError) as raised:
        EnvironmentSpec("a calm sea", method="blended").validated()
    assert raised.value.field == "projection"
    assert "sphere" in str(raised.value)
    assert "equirectangular" in raised.value.remedy
    assert "sync" in raised.value.remedy
    EnvironmentSpec("a calm sea", method="blended", projection="equirectangular").validated()
    EnvironmentSpec("a calm sea", method="blended", kind="plate").validated()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [("plate", "--height", "128"), ("world", "--projection", "equirectangular")], ids=lambda k: k[0]
)
def test_it_runs_from_the_command_line(tiny_folder: Path, tmp_path: Path, kind: tuple[str, ...]) -> None:
    name, *options = kind
    out = tmp_path / "out"
    status = main(
        ["generate", "--prompt", "a calm sea", "--model", str(tiny_folder), "--steps", "2", "--seed", "3",
         "--width", "384", "--method", "blended", "--kind", name, *options, "--out", str(out)]
    )  # fmt: skip
    assert status == 0
    assert (out / {"plate": "plate.png", "world": "world.exr"}[name]).is_file()
    assert json.loads((out / "spec.json").read_text())["spec"]["method"] == "blended"


def test_a_cancelled_job_leaves_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    events = []
    spec = EnvironmentSpec(
        "a calm sea", kind="plate", width=384, height=128, method="blended", model=str(tiny_folder), steps=3
    )

    def cancelled() -> bool:
        return any(event.stage == "denoise" and event.step == 4 for event in events)

    with pytest.raises(JobCancelled):
        Engine().run(spec, tmp_path / "out", Reporter("job", events.append), cancelled)
    assert max(event.step for event in events if event.stage == "denoise") == 4
    assert not list(tmp_path.iterdir())
