# SPDX-License-Identifier: GPL-3.0-or-later
"""The one engine client of this Blender, and the timer that listens to it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from ..scene import live
from ..sync_engine.host.client import (
    LOG_NAME,
    EngineClient,
    EngineFailed,
    EngineMissing,
    EngineState,
)
from ..sync_engine.host.jobs import Failure, Job, JobState
from ..sync_engine.host.unfinished import Unfinished, sweep_queues
from ..sync_engine.interface.messages import FailureCode
from ..sync_engine.interface.partial_folders import sweep_partials
from ..sync_engine.interface.spec import EnvironmentSpec, SpecError
from ..sync_engine.interface.wording import Message
from . import preferences
from .library import results
from .listener import BUDGET_S, Listener, redraw, user_is_interacting

LIBRARY_SETTING = Message("Preferences → Syncscape → Library")
NO_PYTHON = Failure(
    FailureCode.ENGINE_MISSING.value,
    "The engine is not set up.",
    "Press Set Up Engine in the panel, or in Preferences → Syncscape.",
)
PROBLEMS = (SpecError, EngineFailed)
"""What ``EngineLink`` raises for a person to mend; the text names the problem and the remedy."""

WhenDone = Callable[[Job], None]


class EngineLink(Listener):
    """Starts the engine when it is first needed and keeps what the panels show of it.

    Attributes:
        error: what last went wrong, until the next attempt.
    """

    every_s = 0.1

    def __init__(self) -> None:
        super().__init__()
        self.error: Failure | None = None
        self._client: EngineClient | None = None
        self._settings: preferences.EngineSettings | None = None
        self._watched: list[tuple[Job, WhenDone | None]] = []
        self._live = live.LiveWorld()
        self._due: list[tuple[Job, WhenDone]] = []
        self._refused: list[tuple[Job, WhenDone | None]] = []
        self._seen_state = EngineState.STOPPED
        self._seen_silent = 0

    # --- what is shown ----------------------------------------------------------------------

    @property
    def state(self) -> EngineState:
        """Where the engine is."""
        return self._client.state if self._client else EngineState.STOPPED

    @property
    def job(self) -> Job | None:
        """The job that runs, or the first that waits, or None."""
        return self._client.current if self._client else None

    @property
    def waiting(self) -> list[Job]:
        """The jobs behind ``job``, in the order in which they will be made."""
        current = self.job
        if self._client is None or current is None:
            return []
        return [job for job in self._client.jobs if not job.state.finished and job is not current]

    @property
    def silent_for(self) -> float:
        """Seconds for which an engine that does not respond has told nothing; 0 while it responds."""
        client = self._client
        return client.silent_for if client is not None and client.not_responding else 0.0

    def report(self) -> dict[str, Any]:
        """Return what the engine told about itself, empty before it did."""
        return (self._client.report if self._client else None) or {}

    def model_names(self) -> list[str]:
        """Return the models that the engine told of; the bundled one before it did."""
        return list(self.report().get("models") or ("draft",))

    def failure(self) -> Failure | None:
        """Return why the engine does not run, or None."""
        return self._client.failure if self._client else None

    def log_file(self) -> Path:
        """Return the engine's log; it may not exist yet."""
        return self._client.log if self._client else preferences.library_folder() / LOG_NAME

    def log_tail(self, count: int = 40) -> list[str]:
        """Return the last lines of the log, of an earlier session if the engine has not run in this one."""
        lines = self._client.log_tail(count) if self._client else []
        if lines:
            return lines
        try:
            return self.log_file().read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
        except OSError:
            return []

    # --- what is done -----------------------------------------------------------------------

    def client(self) -> EngineClient:
        """Return the client, made anew if the preferences changed and it has nothing to do."""
        wanted = preferences.engine_settings()
        if self._client is not None and (wanted == self._settings or self._client.current):
            return self._client
        self.stop()
        if not wanted.python:
            raise EngineMissing(NO_PYTHON)
        _check_library(wanted.library)
        sweep_partials(wanted.library)
        sweep_queues(wanted.library)
        self._client = EngineClient(wanted.python, wanted.library, environment=wanted.environment)
        self._settings = wanted
        options = preferences.get()
        if options is not None:
            self._client.set_preview(options.show_preview)
        return self._client

    def start(self) -> EngineClient:
        """Start the engine if it does not run; returns at once. Raises EngineFailed."""
        try:
            client = self.client()
            client.start()
        except EngineFailed as error:
            self.error = error.failure
            raise
        self.error = None
        self.listen()
        return client

    def generate(
        self,
        spec: EnvironmentSpec,
        when_done: WhenDone | None = None,
        scene: bpy.types.Scene | None = None,
        *,
        agreed: bool = False,
        job_id: str | None = None,
    ) -> Job:
        """Start a job and return at once; ``when_done`` is called at its end.

        A scene that wants to (``live_world``) shows the picture while it forms. ``agreed`` says that the
        user wants the model to be fetched; ``job_id`` is of an unfinished job that goes on.

        Raises:
            SpecError: a field of the spec cannot be used.
            EngineFailed: the engine cannot be started, or the library not be written.
        """
        try:
            spec.validated()
            job = self.client().generate(spec, agreed=agreed, job_id=job_id)
        except PROBLEMS as error:
            self.error = explain(error)
            raise
        self.error = None
        self._refused.clear()
        self._watched.append((job, when_done))
        if scene is not None:
            self._live.scenes[job.id] = scene.session_uid
        self.listen()
        return job

    @property
    def refused(self) -> list[Job]:
        """Jobs that ended because nobody has agreed to fetch their model."""
        return [job for job, _ in self._refused]

    def agree(self) -> None:
        """Ask again for the jobs whose model the user now wants fetched. Raises as ``generate``."""
        refused, self._refused = self._refused, []
        for job, when_done in refused:
            self.generate(job.spec, when_done, agreed=True)

    def unfinished(self) -> list[Unfinished]:
        """Return what the library has of jobs that can be asked for again, but for those asked for."""
        asked = {job.id for job in (self._client.jobs if self._client else ()) if not job.state.finished}
        return [job for job in results.library().unfinished if job.id not in asked]

    def release(self) -> None:
        """Ask the engine to give the model's memory back."""
        if self._client is not None:
            self._client.release()

    def recover(self) -> None:
        """End an engine that does not respond: its job fails, those that wait go on in a new one."""
        if self._client is not None:
            self._client.recover()
            self.listen()
            self.run_callbacks()

    def set_preview(self, enabled: bool) -> None:
        """Switch live previews on or off."""
        if self._client is not None:
            self._client.set_preview(enabled)

    def tick(self) -> bool:
        """Take in what the engine has told, for a few milliseconds; tell whether more may come."""
        if self._client is None:
            return False
        changed = bool(self._client.drain(BUDGET_S))
        changed = self.run_callbacks() or changed or self._client.state is not self._seen_state
        self._seen_state = self._client.state
        silent = int(self.silent_for)
        changed, self._seen_silent = changed or silent != self._seen_silent, silent
        self._live.update(self.job, user_is_interacting())
        if changed:
            redraw()
        working = self.state in (EngineState.STARTING, EngineState.BUSY)
        return bool(working or self._watched or self._due or self._live.shown)

    def run_callbacks(self) -> bool:
        """Draw the consequences of jobs that are finished; tell whether there were any."""
        finished = [item for item in self._watched if item[0].state.finished]
        self._watched = [item for item in self._watched if not item[0].state.finished]
        for job, when_done in finished:
            results.forget()
            if job.state is JobState.FAILED:
                self.error = job.error
            if job.error is not None and job.error.code == FailureCode.NOT_AGREED:
                self._refused.append((job, when_done))
            elif when_done is not None:
                self._due.append((job, when_done))
        while self._due and not user_is_interacting():
            self._live.hide()
            job, when_done = self._due.pop(0)
            when_done(job)
        return bool(finished)

    def stop(self, timeout: float = 3.0) -> None:
        """End the engine and cancel its jobs."""
        if self._client is not None:
            self._client.shutdown(timeout)
            self._client = self._settings = None
        self._watched.clear()
        self._due.clear()
        self._refused.clear()
        self._live = live.LiveWorld()

    def let_go(self) -> bool:
        """End the engine if it has nothing to do; tell whether none runs any more."""
        if self.job is not None:
            return False
        self.stop()
        return True

    def close(self) -> None:
        """End the engine quickly: Blender is ending."""
        self.stop(timeout=1.0)


link = EngineLink()


def explain(error: Exception) -> Failure:
    """Return one of ``PROBLEMS`` as a message and its remedy."""
    if isinstance(error, SpecError):
        return Failure(FailureCode.BAD_SPEC.value, error.message, error.remedy)
    if isinstance(error, EngineFailed):
        return error.failure
    return Failure(FailureCode.INTERNAL.value, str(error))


def _check_library(folder: Path) -> None:
    """Raise EngineFailed unless results can be written into the folder."""
    probe = folder / f".writable-{secrets.token_hex(4)}"  # two Blenders may ask at once
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineFailed(
            Failure(
                FailureCode.OUTPUT.value,
                Message(
                    "The library folder {folder} cannot be written ({reason}).", folder=folder, reason=reason
                ),
                Message("Name another in {setting}.", setting=LIBRARY_SETTING),
            )
        ) from error
