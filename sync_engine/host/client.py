# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, supervises, restarts and stops the engine, and keeps its jobs; knows nothing of bpy."""

from __future__ import annotations

import queue
import time
import weakref
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from ..interface.messages import (
    PROTOCOL_VERSION,
    Cancel,
    Event,
    Failed,
    FailureCode,
    Generate,
    Preview,
    Ready,
    Release,
    Shutdown,
    Watch,
)
from ..interface.spec import EnvironmentSpec
from ..interface.wording import Message
from . import diagnosis
from .diagnosis import EngineFailed, EngineMissing
from .jobs import POLL_S, Failure, Job, JobState, JobTable
from .process import (
    REMARK,
    Ended,
    EngineLog,
    EngineProcess,
    ProtocolViolation,
    child_environment,
    end_quietly,
)

__all__ = ["EngineClient", "EngineFailed", "EngineMissing", "EngineState", "Failure", "Job", "JobState"]

HEARTBEAT_S = 5.0
SILENT_S = 20.0
"""An engine that has told nothing for so long does not respond."""
CANCEL_GRACE_S = 10.0
"""An engine that does not let go of a cancelled job in so many seconds is killed; the queue goes on."""
LOG_NAME = "engine.log"
"""The engine's log, in the library."""


class EngineState(Enum):
    """Where the engine is; CRASHED means that it ended without being asked to."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    CRASHED = "crashed"


class EngineClient:
    """One engine and its jobs. Use it from one thread only; nothing but the waits blocks.

    Events change jobs only inside ``drain``, which Blender's timer calls; ``Job.wait`` and
    ``wait_ready`` call it themselves. The engine ends with the client or with this process.

    Args:
        python: the Python that runs the engine, a path or a name on PATH.
        library: folder of the results.
        engine_root: folder that contains the package ``sync_engine``; this file's own by default.
        log: the engine's stderr; ``library/engine.log`` by default.
        environment: variables for the engine, on top of this process's own.
        command: run this instead of ``python -m sync_engine serve`` (for tests and wrappers).

    Attributes:
        report: what ``doctor`` says, from the engine's last start; None before.
        failure: why the engine is not running, after a crash or a failed start.
    """

    def __init__(
        self,
        python: Path | str,
        library: Path,
        *,
        engine_root: Path | None = None,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self.python = python
        self.library = Path(library).expanduser().absolute()
        self.engine_root = engine_root or Path(__file__).resolve().parents[2]
        self.log = log or self.library / LOG_NAME
        self.report: dict[str, Any] | None = None
        self.failure: Failure | None = None
        self._environment, self._command = environment, command
        self._process: EngineProcess | None = None
        self._log: EngineLog | None = None
        self._finalizer: weakref.finalize | None = None
        self._ready = False
        self._previews = True
        self._stuck: tuple[str, float] | None = None
        self._jobs = JobTable(self.library, self._note)

    @property
    def state(self) -> EngineState:
        """Where the engine is, as of the last ``drain``."""
        if self._process is None:
            return EngineState.STOPPED if self.failure is None else EngineState.CRASHED
        if not self._ready:
            return EngineState.STARTING
        return EngineState.BUSY if self._jobs.open else EngineState.READY

    @property
    def jobs(self) -> list[Job]:
        """All jobs of this client, oldest first."""
        return self._jobs.all()

    @property
    def current(self) -> Job | None:
        """The running job, else the first that waits, else None."""
        return self._jobs.current()

    @property
    def pid(self) -> int | None:
        """The process id of the engine, or None."""
        return self._process.popen.pid if self._process else None

    @property
    def silent_for(self) -> float:
        """Seconds since the engine last told anything; 0 for one that is not running or not watched."""
        if self._process is None or not self._ready or not (self.report or {}).get("can_be_watched"):
            return 0.0
        return time.monotonic() - self._process.heard_at

    @property
    def not_responding(self) -> bool:
        """Whether the engine has told nothing for ``SILENT_S``: stopped, swapped out, or hung."""
        return self.silent_for > SILENT_S

    def log_tail(self, count: int = 20) -> list[str]:
        """Return the last lines of the engine's log."""
        return self._log.tail(count) if self._log else []

    # --- the engine -------------------------------------------------------------------------

    def start(self) -> None:
        """Start the engine unless it runs; returns at once, the engine is STARTING.

        Raises:
            EngineMissing: the Python is not there or cannot be run.
        """
        if self._process is not None:
            if self._process.alive:
                return
            self.drain(float("inf"))
            if self._process is not None and not self._process.alive:  # its threads have not told yet
                self._on_exit(self._process.popen.returncode or 0)
            if self._process is not None:  # started anew for the jobs that waited
                return
        self.failure, self._ready = None, False
        try:
            command = list(
                self._command or (str(diagnosis.find_python(self.python)), "-m", "sync_engine", "serve")
            )
            self._log = EngineLog(self.log)
            environment = child_environment(self.engine_root, self._environment)
            self._process = EngineProcess(command, environment, self._log)
        except EngineMissing as error:
            self.failure = error.failure
            raise
        except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
            self._forget()
            self.failure = diagnosis.missing(
                Message(
                    "The engine's Python {python} cannot be run ({reason}).", python=self.python, reason=error
                )
            )
            raise EngineMissing(self.failure) from error
        self._finalizer = weakref.finalize(self, end_quietly, self._process.popen)
        if not self._previews:
            self._process.send(Preview(False))

    def wait_ready(self, timeout: float = 120.0) -> dict[str, Any]:
        """Block until the engine is ready (start it if it is stopped) and return its report.

        Raises:
            EngineFailed: it ended, or said nothing in time; the failure says why.
        """
        if self.state is EngineState.STOPPED:
            self.start()
        end = time.monotonic() + timeout
        while True:
            self.drain()
            if self._ready and self.report is not None:
                return self.report
            if self.failure is not None:
                raise EngineFailed(self.failure)
            if time.monotonic() >= end:
                message = Message("The engine was not ready after {seconds:g} s.", seconds=timeout)
                raise EngineFailed(
                    Failure(FailureCode.INTERNAL.value, message, Message("See the log {log}.", log=self.log))
                )
            time.sleep(POLL_S)

    def shutdown(self, timeout: float = 3.0) -> None:
        """End the engine and cancel its jobs; one that does not listen is killed after ``timeout``."""
        self.drain(float("inf"))
        self._jobs.finish_all(JobState.CANCELLED)
        if self._process is not None:
            self._process.send(Shutdown())
            self._process.end(timeout)
        self._forget()
        self.failure = None

    def restart(self) -> None:
        """End the engine and start a new one; jobs that are not finished are cancelled."""
        self.shutdown()
        self.start()

    def recover(self) -> None:
        """End an engine that does not respond: its job fails, those that wait go on in a new one."""
        if self._process is not None:
            self._process.kill()
            self._lose_engine(diagnosis.explain_silence(self.silent_for))

    def release(self) -> None:
        """Ask the engine to give the model's memory back."""
        if self._process is not None:
            self._process.send(Release())

    def set_preview(self, enabled: bool) -> None:
        """Switch live previews on or off, now and for engines started later."""
        if enabled != self._previews and self._process is not None:
            self._process.send(Preview(enabled))
        self._previews = enabled

    # --- jobs -------------------------------------------------------------------------------

    def generate(self, spec: EnvironmentSpec) -> Job:
        """Ask for a picture; starts the engine if needed and returns at once.

        Raises:
            SpecError: a field of the spec cannot be used.
            EngineMissing: the engine's Python is not there or cannot be run.
        """
        spec = spec.validated()
        self.start()
        assert self._process is not None
        job = self._jobs.add(self, spec)
        self._process.send(Generate(job.id, spec.to_dict(), str(self.library / job.id)))
        return job

    def cancel(self, job: Job) -> None:
        """Cancel a job. It is CANCELLED at once; the engine is BUSY until it has let go of it."""
        if job.state.finished:
            return
        job.finish(JobState.CANCELLED)
        if self._process is not None:
            self._process.send(Cancel(job.id))

    def drain(self, budget_s: float = 0.003) -> list[Event]:
        """Apply what the engine has told since the last call; never blocks, never raises.

        Args:
            budget_s: what is left after so many seconds waits for the next call.

        Returns:
            The events that were applied, for those who want more than the jobs show.
        """
        applied: list[Event] = []
        self._enforce_cancel()
        end = time.perf_counter() + budget_s
        while self._process is not None:
            try:
                item = self._process.events.get_nowait()
            except queue.Empty:
                break
            if isinstance(item, Ended):
                self._on_exit(item.status)
            elif isinstance(item, ProtocolViolation):
                self._abandon(diagnosis.explain_babble(self._program, item.sample))
            else:
                self._apply(item)
                applied.append(item)
            if time.perf_counter() >= end:
                break
        return applied

    # --- inside -----------------------------------------------------------------------------

    @property
    def _program(self) -> str:
        return str(self._command[0] if self._command else self.python)

    def _apply(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._on_ready(event)
        elif isinstance(event, Failed) and event.job is None:
            if not self._ready:  # it says why it cannot start, and ends
                self.failure = Failure(event.code, event.message, event.hint)
            self._note(f"{event.message} {event.hint}")
        else:
            self._jobs.apply(event)

    def _on_ready(self, event: Ready) -> None:
        if event.protocol != PROTOCOL_VERSION:
            self._abandon(diagnosis.explain_version(event.protocol, PROTOCOL_VERSION))
        else:
            self._ready, self.report = True, event.report
            if event.report.get("can_be_watched") and self._process is not None:
                self._process.send(Watch(HEARTBEAT_S))

    def _on_exit(self, status: int) -> None:
        """The engine is gone: its jobs fail and the next start makes a new one."""
        lines = [line for line in self.log_tail(100) if not line.startswith(REMARK)]
        if self.failure is not None:  # it said itself why it cannot start
            failure = self.failure
        elif self._ready:
            self._lose_engine(diagnosis.explain_death(status, lines))
            return
        else:
            failure = diagnosis.explain_start(self._program, self.engine_root, status, lines)
        self._fail_all(failure)
        self._forget()

    def _lose_engine(self, failure: Failure) -> None:
        """The engine is gone in the middle: the job that it worked on fails, those that wait go on."""
        self._note(str(failure))
        waiting = self._jobs.lose_first(failure)
        self._forget()
        if not waiting:
            self.failure = failure
            return
        try:
            self.start()
        except EngineMissing as error:
            self._fail_all(error.failure)
            return
        assert self._process is not None
        for job in waiting:
            self._jobs.open.add(job.id)
            self._process.send(Generate(job.id, job.spec.to_dict(), str(self.library / job.id)))

    def _enforce_cancel(self) -> None:
        """Kill an engine that has not let go of a cancelled job for ``CANCEL_GRACE_S``."""
        job = self._jobs.first_open()
        if job is None or not job.state.finished or not self._ready or self._process is None:
            self._stuck = None
        elif self._stuck is None or self._stuck[0] != job.id:
            self._stuck = (job.id, time.monotonic())
        elif time.monotonic() - self._stuck[1] > CANCEL_GRACE_S:
            self._stuck = None
            self._process.kill()
            self._lose_engine(diagnosis.explain_disobedience(CANCEL_GRACE_S))
            if self._process is None:
                self.failure = None  # the user wanted an end, and has it

    def _abandon(self, failure: Failure) -> None:
        """End an engine that cannot be used."""
        if self._process is not None:
            self._process.kill()
        self._fail_all(failure)
        self._forget()

    def _fail_all(self, failure: Failure) -> None:
        self.failure = failure
        self._note(str(failure))
        self._jobs.finish_all(JobState.FAILED, failure)

    def _forget(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()
        if self._log is not None:
            self._log.close()
        self._process, self._finalizer, self._ready = None, None, False
        self._jobs.open.clear()

    def _note(self, text: str) -> None:
        if self._log is not None:
            self._log.write(f"{REMARK} {text}")
