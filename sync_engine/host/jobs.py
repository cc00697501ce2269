# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as its starter sees it: state, progress, result or failure."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from ..interface.messages import Accepted, Cancelled, Done, Event, Failed, FailureCode, Progress, Stage
from ..interface.spec import EnvironmentSpec, SpecError
from ..interface.wording import Message
from .history import Result, ResultError, read_result

if TYPE_CHECKING:
    from .client import EngineClient

POLL_S = 0.01
"""How often a blocking wait looks for events."""
FAR_S = 1e8
"""An estimate beyond three years, or not a number, is none."""
STAGE_SPAN: dict[str, tuple[float, float]] = {
    Stage.LOAD: (0.0, 0.05),
    Stage.ENCODE: (0.05, 0.07),
    Stage.DENOISE: (0.07, 0.88),
    Stage.DECODE: (0.88, 0.93),
    Stage.DETAIL: (0.93, 0.97),
    Stage.WRITE: (0.97, 1.0),
}
"""The part of the progress bar that each stage fills."""
LARGER_SPAN = (0.07, 0.97)
"""The part that detail passes fill where they are the whole job."""


class JobState(Enum):
    """Where a job is in its life; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Failure:
    """What went wrong, for people. ``code`` is a value of FailureCode, ``hint`` the remedy.

    Both texts are Messages where they have values: ``translations`` tells them in the user's language.
    """

    code: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Job:
    """One request for a picture. Made by ``EngineClient.generate``, changed only by ``drain``.

    Attributes:
        id: unique, sorts by time; the name of the result's folder.
        spec: what was asked for; with the seed once the engine has accepted it.
        agreed: whether its model may be fetched.
        state: see JobState.
        progress: 0 to 1 over all stages; never falls.
        stage: as in Progress: ``load`` to ``write``, or empty before the first.
        step, steps: how much of the stage is done.
        eta_s: seconds left, None while unknown.
        preview: a PNG of the picture as it is now; it goes away when the job ends.
        note: the last sentence that the engine had for the user.
        result: the finished result, once ``state`` is DONE.
        error: what went wrong, once ``state`` is FAILED.
    """

    def __init__(
        self, client: EngineClient, job_id: str, spec: EnvironmentSpec, agreed: bool = False
    ) -> None:
        self._client = client
        self.id = job_id
        self.spec = spec
        self.agreed = agreed
        self.state = JobState.QUEUED
        self.progress = 0.0
        self.stage = ""
        self.step = 0
        self.steps = 0
        self.eta_s: float | None = None
        self.preview: Path | None = None
        self.note: str | None = None
        self.result: Result | None = None
        self.error: Failure | None = None

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.state.value} {self.progress:.0%}>"

    def cancel(self) -> None:
        """Stop the job; does nothing to a finished one."""
        self._client.cancel(self)

    def wait(self, timeout: float | None = None) -> JobState:
        """Block until the job is finished and return its state; needs no timer to run.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: the job is not finished in time; it goes on.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            self._client.drain()
            if self.state.finished:
                return self.state
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"Job {self.id} is still {self.state.value} after {timeout:g} s.")
            time.sleep(POLL_S)

    # --- called by the client ---------------------------------------------------------------

    def advance(self, event: Progress) -> None:
        """Take over what the engine says about a running job."""
        self.state = JobState.RUNNING
        self.stage, self.step, self.steps = event.stage, event.step, event.steps
        known = event.eta_s is not None and 0 <= event.eta_s < FAR_S
        self.eta_s = event.eta_s if known else None
        if event.preview:
            self.preview = Path(event.preview)
        if event.note:
            self.note = event.note
        if event.stage in STAGE_SPAN:
            larger = event.stage == Stage.DETAIL and self.spec.enlarge
            start, end = LARGER_SPAN if larger else STAGE_SPAN[event.stage]
            share = event.step / event.steps if 0 < event.step <= event.steps else 0.0
            self.progress = max(self.progress, start + (end - start) * share)

    def finish(self, state: JobState, result: Result | None = None, error: Failure | None = None) -> None:
        """Enter a final state."""
        self.state, self.result, self.error = state, result, error
        self.eta_s = self.preview = None
        if state is JobState.DONE:
            self.progress = 1.0


class JobTable:
    """The jobs of one client, oldest first, and what the engine's events do to them.

    Args:
        library: folder of the results.
        note: takes remarks for the log.

    Attributes:
        open: ids of the jobs that the engine has not yet closed; a cancelled job may be among them.
    """

    def __init__(self, library: Path, note: Callable[[str], None]) -> None:
        self._library, self._note = library, note
        self._jobs: dict[str, Job] = {}
        self._last_id = ("", 0)
        self.open: set[str] = set()

    def all(self) -> list[Job]:
        """Return all jobs."""
        return list(self._jobs.values())

    def current(self) -> Job | None:
        """Return the running job, else the first that waits, else None."""
        waiting = [job for job in self._jobs.values() if not job.state.finished]
        running = [job for job in waiting if job.state is JobState.RUNNING]
        return next(iter(running + waiting), None)

    def add(
        self, client: EngineClient, spec: EnvironmentSpec, agreed: bool = False, job_id: str | None = None
    ) -> Job:
        """Make a job with a new id, or with that of an unfinished one."""
        job = Job(client, job_id or self._new_id(), spec, agreed)
        self._jobs.pop(job.id, None)  # it waits behind the others, also the second time
        self._jobs[job.id] = job
        self.open.add(job.id)
        return job

    def first_open(self) -> Job | None:
        """Return the job that the engine works on, cancelled or not; it takes them in their order."""
        return next((job for job in self._jobs.values() if job.id in self.open), None)

    def finished_of(self, ids: Iterable[str]) -> list[str]:
        """Return those of some jobs that are over."""
        return [job_id for job_id in ids if job_id in self._jobs and self._jobs[job_id].state.finished]

    def lose_first(self, error: Failure) -> list[Job]:
        """Fail the job that the engine works on, because it is gone; return those that waited behind it."""
        lost = self.first_open()
        if lost is not None and not lost.state.finished:
            lost.finish(JobState.FAILED, error=error)
        return [job for job in self._jobs.values() if not job.state.finished]

    def finish_all(self, state: JobState, error: Failure | None = None) -> None:
        """Bring every job that is not finished into a final state."""
        for job in self._jobs.values():
            if not job.state.finished:
                job.finish(state, error=error)

    def apply(self, event: Event) -> None:
        """Change the job that an event is about; events about unknown or finished jobs change none."""
        if not isinstance(event, (Accepted, Progress, Done, Failed, Cancelled)):
            return
        if not isinstance(event, (Accepted, Progress)):
            self.open.discard(event.job or "")
        job = self._jobs.get(event.job or "")
        if job is None or job.state.finished:
            return
        if isinstance(event, Accepted):
            try:
                job.spec = EnvironmentSpec.from_dict(event.spec)
            except SpecError as error:
                self._note(f"the accepted spec of {job.id} cannot be read: {error}")
        elif isinstance(event, Progress):
            job.advance(event)
        elif isinstance(event, Failed):
            job.finish(JobState.FAILED, error=Failure(event.code, event.message, event.hint))
        elif isinstance(event, Cancelled):
            job.finish(JobState.CANCELLED)
        else:
            self._deliver(job)

    def _deliver(self, job: Job) -> None:
        try:
            job.finish(JobState.DONE, result=read_result(self._library / job.id))
        except ResultError as error:
            failure = Failure(
                FailureCode.OUTPUT.value,
                Message(
                    "The engine has finished, but its result cannot be used: {reason}", reason=error.message
                ),
                "Generate again; if it comes back, check the disk of the library folder.",
            )
            job.finish(JobState.FAILED, error=failure)

    def _new_id(self) -> str:
        """Return an id that sorts after all earlier ones and is no folder of the library yet."""
        while True:
            stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
            if stamp > self._last_id[0]:
                self._last_id = (stamp, secrets.randbelow(0x8000))
            else:  # the same second, or the clock was set back
                self._last_id = (self._last_id[0], self._last_id[1] + 1)
            job_id = f"{self._last_id[0]}-{self._last_id[1]:04x}"
            if not (self._library / job_id).exists():
                return job_id
