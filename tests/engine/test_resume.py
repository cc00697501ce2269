# SPDX-License-Identifier: GPL-3.0-or-later
"""A job whose process is killed goes on from its checkpoint, to the pixels that it would have made anyway."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sync_engine.common.progress import Reporter
from sync_engine.interface.messages import Progress
from sync_engine.interface.partial_folders import CHECKPOINT_NAME
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime import checkpoint
from sync_engine.runtime.checkpoint import seed_to_resume
from sync_engine.runtime.job import Engine
from sync_engine.runtime.output import interrupted
from tests.dying_jobs import exit_code

STEPS = 6
pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="kills a fork of itself; without, it would check what a killed job leaves"
)


@pytest.fixture(autouse=True)
def always_due(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 1.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the children: the same rounding
    yield
    torch.set_num_threads(threads)


def run(spec: EnvironmentSpec, out: Path, die_at: int | None = None) -> list[Progress]:
    """Run a job; at a step its process dies, without a word to anything."""
    told: list[Progress] = []

    def emit(event: Progress) -> None:
        told.append(event)
        if event.stage == "denoise" and event.step == die_at:
            os._exit(9)

    Engine().run(spec, out, Reporter("j", emit, wants_preview=False))
    return told


def _run_and_die(spec: EnvironmentSpec, out: Path, die_at: int) -> None:
    checkpoint.EVERY_S, checkpoint.SHARE = 0.0, 1.0
    torch.set_num_threads(1)
    run(spec, out, die_at)


def killed(spec: EnvironmentSpec, out: Path, die_at: int) -> None:
    assert exit_code(_run_and_die, spec, out, die_at) == 9


def notes(told: list[Progress]) -> list[str]:
    return [event.note for event in told if event.note and "interrupted" in event.note]


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


def test_another_job_for_the_same_folder_begins_anew(tmp_path: Path, tiny_folder: Path) -> None:
    spec = EnvironmentSpec("a", kind="plate", model=str(tiny_folder), width=128, height=64, steps=4, seed=3)
    killed(spec, tmp_path / "out", 3)
    other = EnvironmentSpec("b", kind="plate", model=str(tiny_folder), width=128, height=64, steps=4, seed=3)
    assert notes(run(other, tmp_path / "out")) == []
    assert not list(tmp_path.glob(".out.*"))


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
