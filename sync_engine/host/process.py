# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine as a child process: pipes, reader threads, log, and its end."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..interface.messages import (
    MAX_LINE_BYTES,
    Alive,
    Event,
    Progress,
    ProtocolError,
    Request,
    decode_event,
    encode,
)
from .secrets_in_text import without_secrets

GARBAGE_LIMIT = 100
"""After so many lines (or megabytes) that are no events, the child is not our engine."""
DRAIN_PIPES_S = 0.5
"""How long a dead child's pipes are read on; a grandchild may hold them open for ever."""
EOF_GRACE_S = 2.0
"""A child that closed its stdout may take so long to end by itself."""
REMARK = "[client]"
"""Begins the lines of the log that are not the engine's."""
LOG_LINE_BYTES = 8192
TAIL_LINES = 500
HERE = "."
"""The engine's folder in PYTHONPATH, for a child that runs in it."""


@dataclass(frozen=True)
class Ended:
    """The last thing in the queue: the child is gone. ``status`` is negative for a signal."""

    status: int


@dataclass(frozen=True)
class ProtocolViolation:
    """The child writes things that are no events, and has been killed for it."""

    sample: str


class EngineLog:
    """The child's stderr and the client's remarks: a file, and the last lines in memory.

    A log that cannot be written (read-only or full disk) is kept in memory only.

    Args:
        path: the file; an older one becomes ``NAME.1``.
    """

    def __init__(self, path: Path) -> None:
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # none yet, or held open by another engine (Windows)
                os.replace(path, path.with_name(f"{path.name}.1"))
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close())

    def write(self, line: str) -> None:
        """Add one line."""
        with self._lock:
            self._lines.append(line)
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.write(line.encode("utf-8", "replace") + b"\n")

    def tail(self, count: int) -> list[str]:
        """Return the last lines."""
        with self._lock:
            return list(self._lines)[-count:] if count > 0 else []

    def close(self) -> None:
        """Close the file; lines written later are kept in memory only."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


class EventQueue:
    """What the child has told and nobody has taken yet. Of progress that nobody saw only the last is kept."""

    def __init__(self) -> None:
        self._items: deque[Event | ProtocolViolation | Ended] = deque()
        self._lock = threading.Lock()

    def put(self, item: Event | ProtocolViolation | Ended) -> None:
        """Add an item; progress takes the place of earlier progress of the same job without a note."""
        with self._lock:
            last = self._items[-1] if self._items else None
            if isinstance(item, Progress) and isinstance(last, Progress) and _is_outdone(last, item):
                item = dataclasses.replace(item, preview=item.preview or last.preview)
                self._items.pop()
            self._items.append(item)

    def __len__(self) -> int:
        return len(self._items)

    def get_nowait(self) -> Event | ProtocolViolation | Ended:
        """Return the oldest item; raise queue.Empty if there is none."""
        with self._lock:
            if not self._items:
                raise queue.Empty
            return self._items.popleft()


def _is_outdone(last: Progress, new: Progress) -> bool:
    """Tell whether newer progress says all that the last one did."""
    return last.note is None and (last.job, last.stage) == (new.job, new.stage)


class EngineProcess:
    """A running engine. Nothing here blocks, except ``end``.

    Four threads serve the child: one writes requests, two read its outputs, one waits for its
    death. They put what they learn into ``events``, which ends with ``Ended``; ``heard_at`` is when the
    child last told anything, in seconds of ``time.monotonic``.

    Args:
        command: what to run.
        environment: the child's whole environment.
        log: takes the child's stderr.
        folder: where it runs; None is this process's.

    Raises:
        OSError: the command cannot be run.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: EngineLog,
        folder: Path | None = None,
    ) -> None:
        self.log = log
        self.events = EventQueue()
        self.heard_at = time.monotonic()
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.popen = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=dict(environment),
            cwd=folder,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=os.name == "posix",  # Ctrl-C in the terminal is for the parent
        )
        self._out = _thread("engine-stdout", self._read_events)
        self._err = _thread("engine-stderr", self._read_log)
        _thread("engine-stdin", self._write)
        _thread("engine-end", self._wait)

    @property
    def alive(self) -> bool:
        """Whether the child runs, as far as is known."""
        return self.popen.poll() is None

    def send(self, request: Request) -> None:
        """Pass a request on; one to a dead child is lost."""
        self._requests.put(encode(request))

    def kill(self) -> None:
        """Kill the child at once; ``Ended`` follows."""
        with contextlib.suppress(OSError):
            self.popen.kill()

    def end(self, timeout: float) -> None:
        """Close the child's stdin once all requests are written, wait, terminate, kill."""
        self._requests.put(None)
        for ask, patience in ((None, timeout), (self.popen.terminate, 1.0), (self.popen.kill, 5.0)):
            if ask is not None:
                with contextlib.suppress(OSError):
                    ask()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(patience)
                return

    # --- threads ----------------------------------------------------------------------------

    def _write(self) -> None:
        pipe = self.popen.stdin
        assert pipe is not None
        with contextlib.suppress(OSError):  # the child is gone: _wait tells
            while (data := self._requests.get()) is not None:
                while data:  # an unbuffered pipe may take less than all
                    data = data[pipe.write(data) :]
        with contextlib.suppress(OSError):
            pipe.close()

    def _read_events(self) -> None:
        pipe = self.popen.stdout
        assert pipe is not None
        garbage, sample, whole = 0, "", True
        with io.BufferedReader(pipe) as stream:  # type: ignore[arg-type]
            while garbage < GARBAGE_LIMIT and (line := stream.readline(MAX_LINE_BYTES + 1)):
                begins, whole = whole, line.endswith(b"\n")
                if not begins:  # the rest of a line that was too long
                    garbage += 1
                    continue
                self.heard_at = time.monotonic()
                try:
                    event = decode_event(line)
                    if not isinstance(event, Alive):
                        self.events.put(event)
                except ProtocolError as error:
                    garbage, sample = garbage + 1, _shorten(line)
                    self.log.write(f"{REMARK} ignored a line of the engine's stdout, {error}: {sample}")
        if garbage >= GARBAGE_LIMIT:
            self.events.put(ProtocolViolation(sample))
        # Without its stdout the engine cannot tell anything any more, dead or alive.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(EOF_GRACE_S if garbage < GARBAGE_LIMIT else 0)
            return
        self.kill()

    def _read_log(self) -> None:
        pipe = self.popen.stderr
        assert pipe is not None
        with io.BufferedReader(pipe) as stream:  # type: ignore[arg-type]
            while line := stream.readline(LOG_LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip()
                self.log.write(
                    without_secrets(text.rsplit("\r", 1)[-1])
                )  # of a progress bar only the last state

    def _wait(self) -> None:
        status = self.popen.wait()
        self._requests.put(None)
        end = time.monotonic() + DRAIN_PIPES_S
        for reader in (self._out, self._err):
            reader.join(max(0.0, end - time.monotonic()))
        self.events.put(Ended(status))


def child_folder(root: Path) -> Path | None:
    """Return the folder that a child runs in: the engine's own where it must be, else this process's (None).

    It must where this process's folder is gone, and where PYTHONPATH cannot name the engine's, because of a
    separator in its name.
    """
    try:
        os.getcwd()  # fails where the folder is gone
    except OSError:
        return root
    return root if os.pathsep in str(root) else None


def child_environment(root: Path, extra: Mapping[str, str] | None) -> dict[str, str]:
    """Return the engine's environment: this process's without its Python settings, plus ``extra``.

    Blender sets PYTHONHOME and the like for its own Python; another Python must not see them.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("PYTHON") and name != "__PYVENV_LAUNCHER__"
    }
    environment |= {
        "PYTHONPATH": HERE if os.pathsep in str(root) else str(root),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",  # nothing is imported from the folder that Blender was started in
        "PYTHONUTF8": "1",
    }
    return environment | dict(extra or {})


def end_quietly(popen: subprocess.Popen) -> None:
    """End a child that nobody looks after any more, with little waiting (the parent is ending)."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        popen.terminate()
        popen.wait(1.0)
        return
    with contextlib.suppress(OSError):
        popen.kill()


def _thread(name: str, target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _shorten(line: bytes) -> str:
    text = repr(line[:120].decode("utf-8", "replace").strip())
    return f"{text}…" if len(line) > 120 else text
