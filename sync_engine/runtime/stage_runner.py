# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the stages of a job: times them, tells of them, ends them when the job is cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from sync_engine.common.errors import JobCancelled
from sync_engine.common.progress import Reporter
from sync_engine.interface.messages import Stage

_P = ParamSpec("_P")
_R = TypeVar("_R")


class StageRunner:
    """Runs one stage after the other.

    Args:
        reporter: takes stages, steps and notes.
        cancelled: asked often; the next look after it says so raises JobCancelled.

    Attributes:
        seconds: of each stage so far.
    """

    def __init__(self, reporter: Reporter, cancelled: Callable[[], bool]) -> None:
        self.reporter, self._cancelled = reporter, cancelled
        self.seconds: dict[str, float] = {}

    def run(self, stage: Stage, work: Callable[_P, _R], *args: _P.args, **named: _P.kwargs) -> _R:
        """Run a stage: ``work`` of what follows."""
        self.check()
        self.reporter.stage(stage)
        start = time.perf_counter()
        result = work(*args, **named)
        self.seconds[stage.value] = round(self.seconds.get(stage.value, 0.0) + time.perf_counter() - start, 3)
        return result

    def check(self) -> None:
        """Raise JobCancelled if the job is."""
        if self._cancelled():
            raise JobCancelled

    def on_part(self, done: int, parts: int) -> None:
        """Tell that so many parts of the picture are decoded; may raise JobCancelled."""
        self.check()
        self.reporter.step(done, parts)
