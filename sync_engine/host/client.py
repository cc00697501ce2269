# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, supervises, restarts and stops the engine, and keeps its jobs; knows nothing of bpy."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
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
)
from ..interface.spec import EnvironmentSpec
from ..interface.wording import Message
from . import diagnosis, engine_run
from .diagnosis import EngineFailed, EngineMissing
from .engine_run import EngineProgram, EngineRun, EngineState
from .jobs import POLL_S, Failure, Job, JobState, JobTable
from .process import Ended, ProtocolViolation
from .unfinished import KeptQueue

__all__ = ["EngineClient", "EngineFailed", "EngineMissing", "EngineState", "Failure", "Job", "JobState"]

LOG_NAME = "engine.log"
"""The engine's log, in the library."""


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
        self.library = Path(library).expanduser().absolute()
        self.log = log or self.library / LOG_NAME
        self.report: dict[str, Any] | None = None
        self.failure: Failure | None = None
        self._program = EngineProgram(python, engine_root, self.log, environment, command)
        self._run: EngineRun | None = None
        self._previews = True
        self._jobs = JobTable(self.library, self._program.note)
        self._kept = KeptQueue(self.library)

    @property
    def state(self) -> EngineState:
        """Where the engine is, as of the last ``drain``."""
        if self._run is None:
            return EngineState.STOPPED if self.failure is None else EngineState.CRASHED
        if not self._run.ready:
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
        return self._run.process.popen.pid if self._run else None

    @property
    def silent_for(self) -> float:
        """Seconds since the engine last told anything; 0 for one that is not running or not watched."""
        return self._run.silent_for if self._run else 0.0

    @property
    def not_responding(self) -> bool:
        """Whether the engine has told nothing for ``SILENT_S``: stopped, swapped out, or hung."""
        return self.silent_for > engine_run.SILENT_S

    def log_tail(self, count: int = 20) -> list[str]:
        """Return the last lines of the engine's log."""
        return self._program.log_tail(count)

    # --- the engine -------------------------------------------------------------------------

    def start(self) -> None:
        """Start the engine unless it runs; returns at once, the engine is STARTING.

        Raises:
            EngineMissing: the Python is not there or cannot be run.
        """
        if self._run is not None:
            if self._run.process.alive:
                return
            self.drain(float("inf"))
            if self._run is not None and not self._run.process.alive:  # its threads have not told yet
                self._on_exit(self._run.process.popen.returncode or 0)
            if self._run is not None:  # started anew for the jobs that waited
                return
        self.failure = None
        try:
            self._run = self._program.start(owner=self)
        except EngineMissing as error:
            self.failure = error.failure
            raise
        if not self._previews:
            self._run.send(Preview(False))

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
            if self._run is not None and self._run.ready and self.report is not None:
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
        """End the engine and cancel its jobs; one that does not listen is killed after ``timeout``.

        The jobs stay written down in the library (``unfinished``), to be asked for again.
        """
        self.drain(float("inf"))
        self._kept.leave()
        self._jobs.finish_all(JobState.CANCELLED)
        if self._run is not None:
            self._run.send(Shutdown())
            self._run.process.end(timeout)
        self._forget()
        self.failure = None

    def restart(self) -> None:
        """End the engine and start a new one; jobs that are not finished are cancelled."""
        self.shutdown()
        self.start()

    def recover(self) -> None:
        """End an engine that does not respond: its job fails, those that wait go on in a new one."""
        if self._run is not None:
            self._run.process.kill()
            self._lose_engine(diagnosis.explain_silence(self.silent_for))

    def release(self) -> None:
        """Ask the engine to give the model's memory back."""
        if self._run is not None:
            self._run.send(Release())

    def set_preview(self, enabled: bool) -> None:
        """Switch live previews on or off, now and for engines started later."""
        if enabled != self._previews and self._run is not None:
            self._run.send(Preview(enabled))
        self._previews = enabled

    # --- jobs -------------------------------------------------------------------------------

    def generate(self, spec: EnvironmentSpec, *, agreed: bool = False, job_id: str | None = None) -> Job:
        """Ask for a picture; starts the engine if needed and returns at once.

        Args:
            spec: the job.
            agreed: whether its model may be fetched if it is not here.
            job_id: of an unfinished job, which this one goes on with.

        Raises:
            SpecError: a field of the spec cannot be used.
            EngineMissing: the engine's Python is not there or cannot be run.
        """
        spec = spec.validated()
        self.start()
        job = self._jobs.add(self, spec, agreed, job_id)
        self._kept.keep(job.id, spec)
        self._ask_for(job)
        return job

    def cancel(self, job: Job) -> None:
        """Cancel a job. It is CANCELLED at once; the engine is BUSY until it has let go of it."""
        if job.state.finished:
            return
        job.finish(JobState.CANCELLED)
        self._kept.drop(job.id)
        if self._run is not None:
            self._run.send(Cancel(job.id))

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
        while self._run is not None:
            try:
                item = self._run.process.events.get_nowait()
            except queue.Empty:
                break
            if isinstance(item, Ended):
                self._on_exit(item.status)
            elif isinstance(item, ProtocolViolation):
                self._abandon(diagnosis.explain_babble(self._program.name, item.sample))
            else:
                self._apply(item)
                applied.append(item)
            if time.perf_counter() >= end:
                break
        for job_id in self._jobs.finished_of(self._kept.jobs):
            self._kept.drop(job_id)
        return applied

    # --- inside -----------------------------------------------------------------------------

    def _apply(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._on_ready(event)
        elif isinstance(event, Failed) and event.job is None:
            if self._run is not None and not self._run.ready:  # it says why it cannot start, and ends
                self.failure = Failure(event.code, event.message, event.hint)
            self._program.note(f"{event.message} {event.hint}")
        else:
            self._jobs.apply(event)

    def _on_ready(self, event: Ready) -> None:
        if event.protocol != PROTOCOL_VERSION:
            self._abandon(diagnosis.explain_version(event.protocol, PROTOCOL_VERSION))
        elif self._run is not None:
            self.report = event.report
            self._run.accept(event.report)

    def _on_exit(self, status: int) -> None:
        """The engine is gone: its jobs fail and the next start makes a new one."""
        if self.failure is not None:  # it said itself why it cannot start
            failure = self.failure
        elif self._run is not None and self._run.ready:
            self._lose_engine(self._program.explain_death(status))
            return
        else:
            failure = self._program.explain_start(status)
        self._fail_all(failure)
        self._forget()

    def _lose_engine(self, failure: Failure) -> None:
        """The engine is gone in the middle: the job that it worked on fails, those that wait go on."""
        self._program.note(str(failure))
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
        for job in waiting:
            self._jobs.open.add(job.id)
            self._ask_for(job)

    def _ask_for(self, job: Job) -> None:
        assert self._run is not None, "the engine was started"
        self._run.send(Generate(job.id, job.spec.to_dict(), str(self.library / job.id), job.agreed))

    def _enforce_cancel(self) -> None:
        """End an engine that does not let go of a cancelled job."""
        if self._run is not None and self._run.disobeys(self._jobs.first_open()):
            self._run.process.kill()
            self._lose_engine(diagnosis.explain_disobedience(engine_run.CANCEL_GRACE_S))
            if self._run is None:
                self.failure = None  # the user wanted an end, and has it

    def _abandon(self, failure: Failure) -> None:
        """End an engine that cannot be used."""
        if self._run is not None:
            self._run.process.kill()
        self._fail_all(failure)
        self._forget()

    def _fail_all(self, failure: Failure) -> None:
        self.failure = failure
        self._program.note(str(failure))
        self._kept.leave()  # they did nothing wrong: they are offered again
        self._jobs.finish_all(JobState.FAILED, failure)

    def _forget(self) -> None:
        if self._run is not None:
            self._run.close()
        self._run = None
        self._jobs.open.clear()
