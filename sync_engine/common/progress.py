# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job tells about itself: stage, step, time left, notes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from sync_engine.interface.messages import Progress, Stage

MEGABYTES_EVERY_S = 0.25


class Reporter:
    """Turns a job's steps into Progress events with an estimate of the time left.

    Args:
        job: id of the job.
        emit: takes each event.
        wants_preview: whether pictures of the unfinished result are worth making.
    """

    def __init__(self, job: str, emit: Callable[[Progress], object], wants_preview: bool = True) -> None:
        self.job, self._emit, self.wants_preview = job, emit, wants_preview
        self._start = time.perf_counter()
        self._stage, self._stage_start = Stage.LOAD, self._start
        self._next_megabytes = 0.0
        self._last = (0, 0)

    @property
    def seconds(self) -> float:
        """How long the job has been running."""
        return round(time.perf_counter() - self._start, 3)

    def stage(self, name: Stage) -> None:
        """Begin a stage."""
        self._stage, self._stage_start, self._last = name, time.perf_counter(), (0, 0)
        self._emit(Progress(self.job, name, 0, 0))

    def step(self, step: int, steps: int, preview: Path | None = None) -> None:
        """Report ``step`` of ``steps`` done in this stage."""
        per_step = (time.perf_counter() - self._stage_start) / step
        eta = round(per_step * (steps - step), 2)
        self._last = (step, steps)
        picture = str(preview) if preview is not None else None
        self._emit(Progress(self.job, self._stage, step, steps, eta, picture))

    def megabytes(self, done: float, total: float, begun: float) -> None:
        """Report a download, a few times a second; ``begun`` megabytes were here before it began."""
        now = time.perf_counter()
        if now < self._next_megabytes and done < total:
            return
        self._next_megabytes = now + MEGABYTES_EVERY_S
        rate = (done - begun) / max(now - self._stage_start, 1e-6)
        eta = round((total - done) / rate, 1) if rate > 0 else None
        self._last = (math.floor(done), math.ceil(total))
        self._emit(Progress(self.job, self._stage, *self._last, eta))

    def note(self, text: str) -> None:
        """Tell the user one sentence."""
        self._emit(Progress(self.job, self._stage, *self._last, note=text))
