# SPDX-License-Identifier: GPL-3.0-or-later
"""A job whose process is killed goes on from its checkpoint, to the pixels that it would have made anyway."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from sync_engine.common.errors import JobCancelled, OutputError
from sync_engine.common.progress import Reporter
from sync_engine.interface.durable import written_beside
from sync_engine.interface.enlarging import enlarging
from sync_engine.interface.guides import Picture, Region
from sync_engine.interface.messages import Progress
from sync_engine.interface.partial_folders import CHECKPOINT_NAME
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime import checkpoint, results
from sync_engine.runtime.checkpoint import seed_to_resume
from sync_engine.runtime.job import Engine
from sync_engine.runtime.output import interrupted, write_exr
from tests.dying_jobs import exit_code
from tests.engine.picture_files import colours, png_of
from tests.small_models import tiny

STEPS = 6
CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="kills a fork of itself; without, it would check what a killed job leaves"
)


@pytest.fixture(autouse=True)
def always_due(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the children: the same rounding
    yield
    torch.set_num_threads(threads)


def run(
    spec: EnvironmentSpec, out: Path, die_at: int | None = None, stage: str = "denoise"
) -> list[Progress]:
    """Run a job; at a step its process dies, without a word to anything."""
    told: list[Progress] = []

    def emit(event: Progress) -> None:
        told.append(event)
        if event.stage == stage and event.step == die_at:
            os._exit(9)

    Engine().run(spec, out, Reporter("j", emit, wants_preview=False))
    return told


def _run_and_die(spec: EnvironmentSpec, out: Path, die_at: int, stage: str) -> None:
    checkpoint.EVERY_S, checkpoint.SHARE = 0.0, 1e9
    torch.set_num_threads(1)
    run(spec, out, die_at, stage)


def killed(spec: EnvironmentSpec, out: Path, die_at: int, stage: str = "denoise") -> None:
    assert exit_code(_run_and_die, spec, out, die_at, stage) == 9


def notes(told: list[Progress]) -> list[str]:
    return [event.note for event in told if event.note and "interrupted" in event.note]


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["auto", "dpm", "unipc", "euler-ancestral", "lcm"])
@pytest.mark.parametrize("method", ["sync", "multidiffusion"])
def test_the_same_pixels_come_out(tmp_path: Path, tiny_folder: Path, solver: str, method: str) -> None:
    spec = EnvironmentSpec(
        "a calm sea", kind="plate", model=str(tiny_folder), width=256, height=64, steps=STEPS,
        seed=3, solver=solver, method=method, sync_steps=STEPS, sync_strength=1.0,
    )  # fmt: skip
    run(spec, tmp_path / "whole")
    killed(spec, tmp_path / "out", 4)
    assert not (tmp_path / "out").exists()
    told = run(spec, tmp_path / "out")
    assert notes(told) == ["An earlier run of this job was interrupted; this one goes on after step 4."]
    assert [event.step for event in told if event.stage == "denoise" and event.steps] == [5, 6]
    assert (tmp_path / "out" / "plate.png").read_bytes() == (tmp_path / "whole" / "plate.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]
    assert CHECKPOINT_NAME not in os.listdir(tmp_path / "out")


@pytest.mark.slow
def test_killed_again_and_again_and_on_a_sphere(tmp_path: Path, tiny_folder: Path) -> None:
    spec = EnvironmentSpec(
        "a calm sea", model=str(tiny_folder), width=256, steps=STEPS, seed=3, method="multidiffusion"
    )
    run(spec, tmp_path / "whole")
    for step in (2, 3, 5):
        killed(spec, tmp_path / "out", step)
    assert len(list(tmp_path.glob(".out.*.partial"))) == 1
    told = run(spec, tmp_path / "out")
    assert "after step 5" in notes(told)[0]
    whole, out = (tmp_path / name / "world.exr" for name in ("whole", "out"))
    assert out.read_bytes() == whole.read_bytes()


def world(model: Path, **fields) -> EnvironmentSpec:
    usual = {"width": 512, "steps": STEPS, "seed": 3, "method": "multidiffusion"}
    return EnvironmentSpec("a calm sea", model=str(model), **usual | fields)


def same(one: Path, other: Path, name: str = "world.exr") -> bool:
    return (one / name).read_bytes() == (other / name).read_bytes()


@pytest.fixture
def small_views(tmp_path: Path) -> Path:
    """A model of small windows: a World 512 wide has a detail pass."""
    return tiny.build(tmp_path / "small", window=8)


@pytest.mark.slow
def test_a_large_world_goes_on_in_the_middle_of_its_detail_pass(tmp_path: Path, small_views: Path) -> None:
    spec = world(small_views)
    run(spec, tmp_path / "whole")
    killed(spec, tmp_path / "out", 1, "detail")  # a step of the pass
    told = run(spec, tmp_path / "out")
    assert notes(told) == ["An earlier run of this job was interrupted; this one goes on from its picture."]
    assert [event.stage for event in told if event.stage in ("encode", "denoise", "decode")] == []
    assert [event.step for event in told if event.stage == "detail" and event.steps == 2][:1] == [2]
    assert same(tmp_path / "out", tmp_path / "whole")
    assert not list(tmp_path.glob(".out.*"))


@pytest.mark.slow
def test_a_picture_that_is_made_larger_goes_on_too(tmp_path: Path, small_views: Path) -> None:
    colours_there = np.random.default_rng(0).uniform(0.1, 0.9, (64, 128, 3)).astype(np.float32)
    write_exr(tmp_path / "small.exr", colours_there, {})
    spec = enlarging(world(small_views), tmp_path / "small.exr", 512).validated()
    run(spec, tmp_path / "whole")
    killed(spec, tmp_path / "out", 1, "detail")
    told = run(spec, tmp_path / "out")
    assert "goes on" in notes(told)[0]
    assert same(tmp_path / "out", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["decode", "detail"])
def test_decoded_views_are_not_decoded_again(
    tmp_path: Path, small_views: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    from sync_engine.backbones.stable_diffusion import StableDiffusion

    spec = world(small_views, width=256 if stage == "decode" else 512)
    run(spec, tmp_path / "whole")
    killed(spec, tmp_path / "out", 7, stage)
    decoded = []
    own = StableDiffusion.decode
    monkeypatch.setattr(
        StableDiffusion, "decode", lambda self, latents: decoded.append(latents) or own(self, latents)
    )
    run(spec, tmp_path / "again")
    every = len(decoded)
    decoded.clear()
    run(spec, tmp_path / "out")
    assert len(decoded) <= every - 7
    assert same(tmp_path / "out", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 4, 5, 9])
def test_window_by_window(tmp_path: Path, tiny_folder: Path, step: int) -> None:
    spec = EnvironmentSpec(
        "a calm sea", kind="plate", model=str(tiny_folder), width=320, height=128, steps=4,
        seed=3, solver="unipc", method="blended",
    )  # fmt: skip
    run(spec, tmp_path / "whole")
    killed(spec, tmp_path / "out", step)
    told = run(spec, tmp_path / "out")
    assert notes(told) == [f"An earlier run of this job was interrupted; this one goes on after step {step}."]
    assert next(event.step for event in told if event.stage == "denoise" and event.steps) == step + 1
    assert same(tmp_path / "out", tmp_path / "whole", "plate.png")


@pytest.mark.slow
def test_with_guides(tmp_path: Path, tiny_folder: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(png_of((colours(64, 64) * 255).astype("uint8")))
    guides = (
        Region(prompt="a red house", azimuth=30.0, elevation=0.0, radius=30.0, bootstrap=0.3),
        Picture(file=str(photo), azimuth=180.0, elevation=0.0, fov=60.0),
    )
    spec = world(tiny_folder, width=256, guides=guides, solver="euler-ancestral")
    run(spec, tmp_path / "whole")
    killed(spec, tmp_path / "out", 2)
    assert "after step 2" in notes(run(spec, tmp_path / "out"))[0]
    assert same(tmp_path / "out", tmp_path / "whole")
    killed(spec, tmp_path / "other", 2)
    photo.write_bytes(png_of((colours(64, 128) * 255).astype("uint8")))
    assert notes(run(spec, tmp_path / "other")) == [], "another photo under the same name is another job"


@pytest.mark.slow
def test_a_cancel_may_be_regretted_and_a_full_disk_emptied(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = world(tiny_folder, width=256)
    run(spec, tmp_path / "whole")
    events: list[Progress] = []
    reporter = Reporter("j", events.append, wants_preview=False)
    with pytest.raises(JobCancelled):
        Engine().run(spec, tmp_path / "out", reporter, lambda: any(event.step == 3 for event in events))
    (left,) = interrupted(tmp_path / "out")
    assert {path.name for path in left.iterdir()} == {"lock", CHECKPOINT_NAME}
    with monkeypatch.context() as patch:
        patch.setattr(results, "write_pictures", _no_space)
        with pytest.raises(OutputError, match="No space left"):
            run(spec, tmp_path / "out")
    told = run(spec, tmp_path / "out")
    assert notes(told)
    assert same(tmp_path / "out", tmp_path / "whole")
    assert not list(tmp_path.glob(".out.*"))


def _no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.slow
def test_another_job_for_the_same_folder_begins_anew(tmp_path: Path, tiny_folder: Path) -> None:
    spec = EnvironmentSpec("a", kind="plate", model=str(tiny_folder), width=128, height=64, steps=4, seed=3)
    killed(spec, tmp_path / "out", 3)
    other = EnvironmentSpec("b", kind="plate", model=str(tiny_folder), width=128, height=64, steps=4, seed=3)
    assert notes(run(other, tmp_path / "out")) == []
    assert not list(tmp_path.glob(".out.*"))


@pytest.mark.slow
def test_a_seed_that_was_drawn_is_found_again(tmp_path: Path, tiny_folder: Path) -> None:
    spec = EnvironmentSpec("a", kind="plate", model=str(tiny_folder), width=128, height=64, steps=4, seed=77)
    killed(spec, tmp_path / "out", 3)
    (left,) = interrupted(tmp_path / "out")
    unseeded = EnvironmentSpec("a", kind="plate", model=str(tiny_folder), width=128, height=64, steps=4)
    assert seed_to_resume([left], unseeded) == 77
    assert seed_to_resume([left], EnvironmentSpec("b")) is None
    (left / CHECKPOINT_NAME).write_bytes(b"damaged")
    assert seed_to_resume([left], unseeded) is None
    assert notes(run(spec, tmp_path / "out")) == []


def test_checkpoints_are_rare_and_cheap(tmp_path: Path, tiny_folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_S", 10.0)
    spec = EnvironmentSpec("a", kind="plate", model=str(tiny_folder), width=128, height=64, steps=4, seed=3)
    monkeypatch.setattr(checkpoint, "written_beside", lambda path: pytest.fail("too early for one"))
    run(spec, tmp_path / "out")


def test_checkpoints_cost_less_than_their_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of the test: a step takes 5 s, a disk 0.5 s for each write."""
    now, written = [0.0], []
    monkeypatch.setattr(checkpoint, "EVERY_S", 10.0)
    monkeypatch.setattr(checkpoint, "SHARE", 0.02)
    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: now[0])

    def slow(path: Path):
        now[0] += 0.5
        written.append(now[0])
        return written_beside(path)

    monkeypatch.setattr(checkpoint, "written_beside", slow)
    kept = checkpoint.Checkpoint(tmp_path, EnvironmentSpec("a"), (CPU, torch.float32, "full"))
    for step in range(400):
        now[0] += 5.0
        kept.keep(step + 1, {"state": torch.zeros(1000)}, DDIMScheduler(), None)
    assert len(written) >= 30
    assert all(after - before >= 10 for before, after in itertools.pairwise(written))
    assert all(number * 0.5 <= 0.02 * when for number, when in enumerate(written[1:], 2))
