# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch that runs beside Blender: the engine's ``batch`` command in a child, and how far it is."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..interface.messages import Failed, FailureCode, Progress, ProtocolError, decode_event
from ..interface.spec import EnvironmentSpec
from ..interface.wording import Message
from .diagnosis import EngineMissing, explain_start, find_python
from .jobs import Failure
from .process import child_environment, child_folder

JOB_FILES = (".jsonl", ".ndjson", ".csv", ".toml")
"""Files of whole jobs, not of prompts, end so (``batch/jobs_file.py`` reads them)."""
LOG_NAME = "batch.log"
"""What the child has written to stderr, in the library."""
TAIL_LINES = 40
SOME_FAILED = 6
"""The command's exit status where some jobs are set aside."""


def write_jobs(path: Path, specs: Iterable[EnvironmentSpec]) -> Path:
    """Write specs as JSON lines; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{spec.to_json()}\n" for spec in specs), encoding="utf-8")
    return path


class BatchRun:
    """One run of the command. Nothing blocks but ``wait``.

    Args:
        python: the Python that runs the engine.
        jobs: a file of jobs.
        library: folder of the results.
        options: more options of the command, such as ``--on ray``.
        environment: variables for the child, on top of this process's own.
        engine_root: folder that contains the package ``sync_engine``; this file's own by default.

    Attributes:
        step, steps: jobs that are done or set aside, and all; 0 of 0 before the first are known.
        eta_s: seconds left; None while unknown.
        status: the exit status; None while it runs.
        problem: why it failed, or that some jobs did; None otherwise.
    """

    def __init__(
        self,
        python: Path | str,
        jobs: Path,
        library: Path,
        options: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
        engine_root: Path | None = None,
    ) -> None:
        self.step, self.steps = 0, 0
        self.eta_s: float | None = None
        self.status: int | None = None
        self.problem: Failure | None = None
        self._log, self._stopped = library / LOG_NAME, False
        self._python, self._root = str(python), engine_root or Path(__file__).resolve().parents[2]
        self._command = ["-m", "sync_engine", "batch", str(jobs), "--out", str(library), "--json", *options]
        self._environment = child_environment(self._root, environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="batch", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    @property
    def progress(self) -> float:
        """How much is done, 0 to 1."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0

    def stop(self) -> None:
        """Have it finish the jobs at hand and end; what is done stays."""
        self._stopped = True
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.terminate()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; tell whether it is reached."""
        self._thread.join(timeout)
        return not self.running

    # --- in the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._work()
        except EngineMissing as error:
            self.problem = error.failure
        except OSError as error:
            self.problem = Failure(
                FailureCode.OUTPUT.value, Message("The batch cannot be started ({reason}).", reason=error)
            )

    def _work(self) -> None:
        python = find_python(self._python)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [str(python), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                cwd=child_folder(self._root),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                start_new_session=os.name == "posix",  # Ctrl-C in the terminal is for Blender
            )
            if self._stopped:  # before there was a process to stop
                self._process.terminate()
            with self._process as process:
                assert process.stdout is not None
                for line in process.stdout:
                    with contextlib.suppress(ProtocolError):  # what else it writes says nothing to us
                        self._take(decode_event(line))
        self.status = process.returncode
        if self.status == SOME_FAILED:
            self.problem = Failure(
                FailureCode.INTERNAL.value,
                "Some pictures of the batch failed.",
                "The file contact.html in the library shows which, and why.",
            )
        elif self.status and not self._stopped and self.problem is None:
            self.problem = explain_start(self._python, self._root, self.status, self._last_lines())

    def _take(self, event: Any) -> None:
        if isinstance(event, Progress) and event.job == "batch" and event.steps:
            self.step, self.steps, self.eta_s = event.step, event.steps, event.eta_s
        elif isinstance(event, Failed) and event.job == "batch":
            self.problem = Failure(event.code, event.message, event.hint)

    def _last_lines(self) -> list[str]:
        try:
            return self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        except OSError:
            return []


def read_prompts(path: Path) -> list[str]:
    """Return the prompts of a text file, one a line; empty lines and those that begin with ``#`` are none.

    Raises OSError or UnicodeDecodeError.
    """
    return prompts_in(path.read_text(encoding="utf-8-sig"))


def prompts_in(text: str) -> list[str]:
    """Return the prompts of a text, one a line."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
