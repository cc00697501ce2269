# SPDX-License-Identifier: GPL-3.0-or-later
"""The batch that runs beside this Blender, and the timer that shows how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..sync_engine.host.batch import BatchRun, write_jobs
from ..sync_engine.host.client import EngineFailed, EngineMissing
from ..sync_engine.host.jobs import Failure
from ..sync_engine.interface.messages import FailureCode
from ..sync_engine.interface.spec import EnvironmentSpec
from . import preferences
from .library import results
from .link import NO_PYTHON
from .listener import Listener, redraw


class EngineBatch(Listener):
    """One batch at a time, in the library of the preferences.

    Attributes:
        run: the batch; None before the first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.run: BatchRun | None = None
        self._seen: tuple[object, ...] = ()

    @property
    def busy(self) -> bool:
        """Whether a batch goes on."""
        return self.run is not None and self.run.running

    @property
    def problem(self) -> Failure | None:
        """Why the last batch failed."""
        return self.run.problem if self.run is not None and not self.run.running else None

    def start(self, specs: Iterable[EnvironmentSpec], options: Iterable[str]) -> BatchRun:
        """Start the engine's batch command for some specs; EngineFailed while another goes on."""
        return self._start(lambda library: write_jobs(_jobs_file(library), specs), options)

    def keep_jobs(self, lines: str) -> Path:
        """Write pasted JSON lines of jobs into a file of the library; return its path."""
        path = _jobs_file(preferences.library_folder())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines, encoding="utf-8")
        return path

    def start_file(self, jobs: Path, options: Iterable[str] = ()) -> BatchRun:
        """Start it for a file of jobs; the command checks the file, and names the lines it cannot use."""
        return self._start(lambda _library: jobs, options)

    def _start(self, jobs_in: Callable[[Path], Path], options: Iterable[str]) -> BatchRun:
        wanted = preferences.engine_settings()
        if not wanted.python:
            raise EngineMissing(NO_PYTHON)
        if self.busy:
            raise EngineFailed(
                Failure(FailureCode.PROTOCOL.value, "A batch goes on already.", "Wait for it, or stop it.")
            )
        jobs = jobs_in(wanted.library)
        self.run = BatchRun(wanted.python, jobs, wanted.library, options, wanted.environment)
        self.listen()
        return self.run

    def tick(self) -> bool:
        """Show what has changed; tell whether more may come."""
        if self.run is None:
            return False
        shown = (self.run.running, self.run.step, self.run.steps)
        if shown != self._seen:
            self._seen = shown
            results.library().forget()
            redraw()
        return self.run.running

    def close(self) -> None:
        """Have the batch end after the pictures at hand; started again, it goes on."""
        if self.run is not None:
            self.run.stop()


def _jobs_file(library: Path) -> Path:
    return library / ".batch" / f"jobs-{time.strftime('%Y%m%d-%H%M%S')}.jsonl"


engine_batch = EngineBatch()
