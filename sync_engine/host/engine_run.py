# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine as a program, with its log, and one run of it: whether it is ready, silent, or disobeys."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from ..interface.messages import Request, Watch
from ..interface.wording import Message
from . import diagnosis
from .diagnosis import EngineMissing
from .jobs import Failure, Job
from .process import REMARK, EngineLog, EngineProcess, child_environment, child_folder, end_quietly

HEARTBEAT_S = 5.0
SILENT_S = 20.0
"""An engine that has told nothing for so long does not respond."""
CANCEL_GRACE_S = 10.0
"""An engine that does not let go of a cancelled job in so many seconds is ended; the queue goes on."""


class EngineState(Enum):
    """Where the engine is; CRASHED means that it ended without being asked to."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    CRASHED = "crashed"


class EngineRun:
    """A process of the engine, which ends with its owner.

    Args:
        command: what to run.
        environment: the process's whole environment.
        log: takes its stderr.
        owner: whose end is the end of the process.
        folder: where it runs; None is this process's.

    Attributes:
        process: the process.
        ready: whether it has said what it is and can do.

    Raises:
        OSError, ValueError: the command cannot be run.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: EngineLog,
        owner: object,
        folder: Path | None = None,
    ) -> None:
        self.process = EngineProcess(command, environment, log, folder)
        self.ready = False
        self._log, self._watched = log, False
        self._disobeyed: tuple[str, float] | None = None
        self._finalizer = weakref.finalize(owner, end_quietly, self.process.popen)

    @property
    def silent_for(self) -> float:
        """Seconds since it last told anything; 0 for one that is not ready or cannot be watched."""
        return time.monotonic() - self.process.heard_at if self.ready and self._watched else 0.0

    def send(self, request: Request) -> None:
        """Pass a request on; one to a dead process is lost."""
        self.process.send(request)

    def accept(self, report: Mapping[str, Any]) -> None:
        """Take over that it is ready, and have it give signs of life if it can."""
        self.ready = True
        if report.get("can_be_watched"):
            self._watched = True
            self.send(Watch(HEARTBEAT_S))

    def disobeys(self, job: Job | None) -> bool:
        """Tell whether it has not let go of a cancelled job for ``CANCEL_GRACE_S``; asked again and again.

        Args:
            job: what it works on.
        """
        if job is None or not job.state.finished or not self.ready:
            self._disobeyed = None
        elif self._disobeyed is None or self._disobeyed[0] != job.id:
            self._disobeyed = (job.id, time.monotonic())
        return self._disobeyed is not None and time.monotonic() - self._disobeyed[1] > CANCEL_GRACE_S

    def close(self) -> None:
        """Look after it no more; it has ended, or is about to."""
        self._finalizer.detach()
        self._log.close()


class EngineProgram:
    """What runs as the engine, and the log of its last run.

    Args:
        python: the Python that runs the engine, a path or a name on PATH.
        root: folder that contains the package ``sync_engine``; this file's own by default.
        log: file of its stderr.
        environment: variables for it, on top of this process's own.
        command: run this instead of ``python -m sync_engine serve``.
    """

    def __init__(
        self,
        python: Path | str,
        root: Path | None,
        log: Path,
        environment: Mapping[str, str] | None,
        command: Sequence[str] | None,
    ) -> None:
        self._python, self._root = python, root or Path(__file__).resolve().parents[2]
        self._path, self._environment, self._command = log, environment, command
        self._log: EngineLog | None = None

    @property
    def name(self) -> str:
        """What the program is called in messages."""
        return str(self._command[0] if self._command else self._python)

    def start(self, owner: object) -> EngineRun:
        """Start it, with a new log; it ends with its owner.

        Raises:
            EngineMissing: the Python is not there or cannot be run.
        """
        command = self._command or (str(diagnosis.find_python(self._python)), "-m", "sync_engine", "serve")
        log = self._log = EngineLog(self._path)
        try:
            environment = child_environment(self._root, self._environment)
            return EngineRun(command, environment, log, owner, child_folder(self._root))
        except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
            log.close()
            message = Message(
                "The engine's Python {python} cannot be run ({reason}).", python=self._python, reason=error
            )
            raise EngineMissing(diagnosis.missing(message)) from error

    def note(self, text: str) -> None:
        """Add a remark to the log."""
        if self._log is not None:
            self._log.write(f"{REMARK} {text}")

    def log_tail(self, count: int) -> list[str]:
        """Return the last lines of the log."""
        return self._log.tail(count) if self._log is not None else []

    def explain_start(self, status: int) -> Failure:
        """Return why it ended before it was ready."""
        return diagnosis.explain_start(self.name, self._root, status, self._last_words())

    def explain_death(self, status: int) -> Failure:
        """Return why it ended after it was ready."""
        return diagnosis.explain_death(status, self._last_words())

    def _last_words(self) -> list[str]:
        return [line for line in self.log_tail(100) if not line.startswith(REMARK)]
