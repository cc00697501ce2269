# SPDX-License-Identifier: GPL-3.0-or-later
"""The models on this computer: listed, fetched, checked and removed by ``sync_engine models`` in a child."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from ..interface.messages import (
    Cancelled,
    Done,
    Event,
    Failed,
    FailureCode,
    Progress,
    ProtocolError,
    decode_event,
)
from ..interface.wording import Message
from .diagnosis import EngineMissing, explain_start, find_python
from .jobs import Failure
from .process import child_environment, child_folder

LOG_NAME = "models.log"
"""What the child has written to stderr the last time, in the library."""
TAIL_LINES = 40
CANCEL_GRACE_S = 3.0
"""A child that waits for a silent network does not hear a cancel, and is killed after so long."""


class ModelAction(Enum):
    """What can be done; the values are the words of the command line."""

    LIST = "list"
    DOWNLOAD = "download"
    VERIFY = "verify"
    REMOVE = "remove"


@dataclass(frozen=True)
class ModelRow:
    """A model as ``models list --json`` tells of it.

    Attributes:
        name: what the user types.
        source: its hub id; empty for the bundled one.
        licence: of the weights.
        download_gb: size of the download; 0 where nobody knows.
        memory_gb: GPU memory that it wants; 0 where nobody knows.
        state: ``here``, ``partly`` or ``absent``.
        fetched_gb: of an unfinished download.
        disk_gb: of a model that is here.
        folder: where it is; empty if it is not here.
    """

    name: str
    title: str
    source: str
    licence: str
    download_gb: float
    memory_gb: float
    state: str
    fetched_gb: float
    disk_gb: float
    folder: str

    @property
    def bundled(self) -> bool:
        """Whether it came with the extension."""
        return not self.source


class ModelStore:
    """One piece of work at a time, in a thread and a child process. Nothing blocks but ``wait`` and ``stop``.

    After every piece of work the models are listed anew.

    Args:
        python: the Python that runs the engine, a path or a name on PATH.
        log: takes the child's stderr.
        environment: variables for the child, on top of this process's own.
        engine_root: folder that contains the package ``sync_engine``; this file's own by default.

    Attributes:
        rows: the models; None before they were first listed.
        action, name: what is being done, and to which model; None while nothing is.
        step, steps, eta_s: megabytes done and in all, seconds left (None: not known).
        notes: what the last piece of work has said.
        problem: why it failed, until the next.
    """

    def __init__(
        self,
        python: Path | str,
        log: Path,
        environment: Mapping[str, str] | None = None,
        engine_root: Path | None = None,
    ) -> None:
        self.rows: tuple[ModelRow, ...] | None = None
        self.action: ModelAction | None = None
        self.name = ""
        self.step, self.steps = 0, 0
        self.eta_s: float | None = None
        self.notes: tuple[str, ...] = ()
        self.problem: Failure | None = None
        self._python, self._log, self._environment = python, log, environment
        self._root = engine_root or Path(__file__).resolve().parents[2]
        self._cancelled, self._closing = threading.Event(), False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    @property
    def progress(self) -> float:
        """How much is done, 0 to 1."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0

    def start(self, action: ModelAction, name: str = "") -> None:
        """Begin a piece of work; does nothing while another goes on."""
        if self.action is not None:
            return
        self.action, self.name, self.problem, self.notes = action, name, None, ()
        self.step, self.steps, self.eta_s = 0, 0, None
        self._cancelled.clear()
        self._thread = threading.Thread(target=self._run, args=(action, name), name="models", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Stop what goes on; a download can be gone on with later, a removal goes on to its end."""
        if self.action is ModelAction.REMOVE:
            return
        self._cancelled.set()
        if self._process is not None:
            self._end(self._process)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing goes on any more; tell whether that is so."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self.action is None

    def stop(self, timeout: float = 2.0) -> None:
        """Cancel and wait (Blender is ending); nothing is listed any more."""
        self._closing = True
        self.cancel()
        process = self._process
        if not self.wait(timeout) and process is not None and self.action is not ModelAction.REMOVE:
            with contextlib.suppress(OSError):
                process.kill()
            self.wait(timeout)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(OSError):
            process.terminate()
        killer = threading.Timer(CANCEL_GRACE_S, process.kill)
        killer.daemon = True
        killer.start()

    # --- in the thread ----------------------------------------------------------------------

    def _run(self, action: ModelAction, name: str) -> None:
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._log.write_bytes(b"")
            if action is not ModelAction.LIST:
                self._do(action, name)
                self._cancelled.clear()
            if not self._closing:
                self._list()
        except EngineMissing as error:
            self.problem = error.failure
        except OSError as error:
            self.problem = Failure(
                FailureCode.OUTPUT.value,
                Message("The engine cannot be asked for its models ({reason}).", reason=error),
            )
        finally:
            self._process = None
            self.name, self.action = "", None

    def _do(self, action: ModelAction, name: str) -> None:
        told = False
        with self._child(action.value, name, "--json") as process:
            assert process.stdout is not None
            for line in process.stdout:
                with contextlib.suppress(ProtocolError):  # what else it writes says nothing to us
                    told = self._take(decode_event(line)) or told
        if not told and not self._cancelled.is_set():
            self.problem = self._why(process.returncode)

    def _take(self, event: Event) -> bool:
        """Take in an event; tell whether it is the last one."""
        if isinstance(event, Progress):
            self.step, self.steps, self.eta_s = event.step, event.steps, event.eta_s
            if event.note:
                self.notes += (event.note,)
        elif isinstance(event, Failed):
            self.problem = Failure(event.code, event.message, event.hint)
        return isinstance(event, Done | Failed | Cancelled)

    def _list(self) -> None:
        with self._child("list", "--json") as process:
            assert process.stdout is not None
            text = process.stdout.read()
        try:
            self.rows = tuple(map(_row, json.loads(text)))
        except (ValueError, TypeError, KeyError):
            self.problem = self.problem or self._why(process.returncode)

    @contextlib.contextmanager
    def _child(self, *arguments: str):
        """Run ``sync_engine models`` to its end; its stdout is a pipe."""
        python = find_python(self._python)
        with open(self._log, "ab") as log:
            process = subprocess.Popen(
                [str(python), "-m", "sync_engine", "models", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(self._root, self._environment),
                cwd=child_folder(self._root),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                start_new_session=os.name == "posix",  # Ctrl-C in the terminal is for Blender
            )
            self._process = process
            if self._cancelled.is_set():  # before there was a process to stop
                self._end(process)
            with process:
                yield process

    def _why(self, status: int) -> Failure:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        except OSError:
            lines = []
        return explain_start(str(self._python), self._root, status, lines)


def _row(told: dict[str, Any]) -> ModelRow:
    return ModelRow(**{item.name: told[item.name] for item in fields(ModelRow)})
