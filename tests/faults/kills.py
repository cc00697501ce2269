# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that are killed at a random moment of a stage, and asked for again: the same pixels, nothing left."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import torch

from sync_engine.common.progress import Reporter
from sync_engine.interface.messages import Progress
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime import checkpoint
from sync_engine.runtime.job import Engine
from tests.dying_jobs import exit_code
from tests.faults.trials import seeds_in

STAGES = ("load", "denoise", "denoise", "decode", "write", "write")


class Kills:
    """Kills jobs of one model.

    Args:
        spec: the job; its picture is made once, to compare with.
        folder: an empty one.
    """

    def __init__(self, spec: EnvironmentSpec, folder: Path) -> None:
        self.spec, self.folder = spec, folder
        torch.set_num_threads(1)  # as in the children: the same rounding
        checkpoint.EVERY_S, checkpoint.SHARE = 0.0, 1.0
        _run(spec, folder / "whole")
        self._wanted = _picture(folder / "whole")
        self.moments: dict[str, int] = {}

    def trial(self, chance: random.Random, folder: Path) -> str | None:
        """Kill a job at a random moment and run it again; return what was wrong."""
        stage, delay, out = chance.choice(STAGES), chance.random() * 0.05, folder / "out"
        code = exit_code(_run_and_die, self.spec, out, stage, delay, chance.randint(0, 4))
        killed = code < 0
        self.moments[stage if killed else "after the end"] = (
            self.moments.get(stage if killed else "after the end", 0) + 1
        )
        if out.exists():
            told, shown = seeds_in(out)
            if told != shown or _picture(out) != self._wanted:
                return f"killed in {stage}: {out} has another picture"
        elif not killed:
            return f"it ended without a result, exit code {code}"
        _run(self.spec, out)
        if _picture(out) != self._wanted:
            return f"killed in {stage}: the second run made other pixels"
        stray = sorted(path.name for path in folder.rglob(".*"))
        return f"killed in {stage}: left {stray}" if stray else None


def _run_and_die(spec: EnvironmentSpec, out: Path, stage: str, delay: float, step: int) -> None:
    torch.set_num_threads(1)
    checkpoint.EVERY_S, checkpoint.SHARE = 0.0, 1.0
    _run(spec, out, _killer(stage, delay, step))


def _killer(stage: str, delay: float, step: int) -> Callable[[Progress], None]:
    def on_event(event: Progress) -> None:
        if event.stage == stage and event.step >= min(step, event.steps):
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()

    return on_event


def _run(spec: EnvironmentSpec, out: Path, on_event: Callable[[Progress], None] = lambda event: None) -> None:
    Engine().run(spec, out, Reporter("j", on_event, wants_preview=False))


def _picture(out: Path) -> bytes:
    return next(out.glob("*e.png") if (out / "plate.png").exists() else out.glob("world.exr")).read_bytes()
