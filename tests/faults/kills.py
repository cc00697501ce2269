# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that are killed at a random moment of a stage, and asked for again: the same pixels, nothing left."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sync_engine.common.progress import Reporter
from sync_engine.interface.messages import Progress
from sync_engine.interface.partial_folders import sweep_partials
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime import checkpoint
from sync_engine.runtime.job import Engine
from tests.dying_jobs import exit_code
from tests.faults.disks import seeds_in
from tests.small_models import tiny

STAGES = ("load", "encode", "denoise", "denoise", "decode", "decode", "detail", "write", "write")
KILLED = -signal.SIGKILL


@dataclass
class Seen:
    """What became of the jobs: in which stage they were killed, and how many went on from a checkpoint."""

    stages: Counter[str] = field(default_factory=Counter)
    went_on: int = 0


class Kills:
    """Kills jobs of some specs by turns.

    Args:
        specs: the jobs; each picture is made once, to compare with.
        folder: an empty one.
    """

    def __init__(self, specs: list[EnvironmentSpec], folder: Path) -> None:
        torch.set_num_threads(1)  # as in the children: the same rounding
        always_due()
        self.specs, self.seen, self._engine = specs, Seen(), Engine()
        self._wanted = []
        for number, spec in enumerate(specs):
            self._run(spec, folder / f"whole-{number}")
            self._wanted.append(_picture(folder / f"whole-{number}"))

    def trial(self, chance: random.Random, folder: Path) -> str | None:
        """Kill a job at a random moment and run it again; return what was wrong."""
        number = chance.randrange(len(self.specs))
        spec, wanted, out = self.specs[number], self._wanted[number], folder / "out"
        stages = [stage for stage in STAGES if stage != "detail" or spec.width > 256]
        stage, delay = chance.choice(stages), chance.random() * 0.02
        code = exit_code(_run_and_die, spec, out, stage, delay, chance.random())
        self.seen.stages[stage if code == KILLED else "after the end"] += 1
        if out.exists():
            told, shown = seeds_in(out)
            if told != shown or _picture(out) != wanted:
                return f"killed in {stage}: {out} has another picture"
        elif code != KILLED:
            return f"it ended without a result, exit code {code}"
        else:
            left = len(list(folder.glob(".*.partial")))
            notes = self._run(spec, out)
            self.seen.went_on += bool(left) and any("interrupted" in note for note in notes)
        if _picture(out) != wanted:
            return f"killed in {stage}: the second run made other pixels"
        sweep_partials(folder)  # as the next job does
        stray = sorted(path.name for path in folder.rglob("*") if path.name.startswith((".", "checkpoint")))
        return f"killed in {stage}: left {stray}" if stray else None

    def _run(self, spec: EnvironmentSpec, out: Path) -> list[str]:
        notes: list[str] = []
        reporter = Reporter("j", lambda event: notes.append(event.note or ""), wants_preview=False)
        self._engine.run(spec, out, reporter)
        return notes


def always_due() -> None:
    """Have every step and every part kept, whatever that costs."""
    checkpoint.EVERY_S, checkpoint.SHARE = 0.0, 1e9


def small_specs(folder: Path) -> list[EnvironmentSpec]:
    """Return jobs of small random models: a plate, a World with a detail pass, a plate window by window."""
    model, small = str(tiny.build(folder / "model")), str(tiny.build(folder / "small", window=8))
    shared = {"seed": 3, "device": "cpu", "precision": "fp32"}
    plate = {"kind": "plate", "width": 256, "height": 64, "model": model, **shared}
    return [
        EnvironmentSpec("a", method="multidiffusion", steps=6, **plate),
        EnvironmentSpec("a", width=512, method="multidiffusion", steps=6, model=small, **shared),
        EnvironmentSpec("a", method="blended", steps=4, solver="unipc", **plate),
    ]


def draft_spec() -> EnvironmentSpec:
    """Return a small plate of the bundled model, with its own method."""
    return EnvironmentSpec("a calm sea", kind="plate", width=256, height=128, steps=6, seed=3, device="cpu")


def _run_and_die(spec: EnvironmentSpec, out: Path, stage: str, delay: float, share: float) -> None:
    torch.set_num_threads(1)
    always_due()
    Engine().run(spec, out, Reporter("j", _killer(stage, delay, share), wants_preview=False))


def _killer(stage: str, delay: float, share: float) -> Callable[[Progress], None]:
    def on_event(event: Progress) -> None:
        if event.stage == stage and event.step >= int(share * event.steps):
            if delay < 0.002:
                os.kill(os.getpid(), signal.SIGKILL)
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()

    return on_event


def _picture(out: Path) -> bytes:
    return next(path for path in (out / "plate.png", out / "world.exr") if path.exists()).read_bytes()
