# SPDX-License-Identifier: GPL-3.0-or-later
"""The serve loop: requests in on stdin, events out on stdout, one job at a time."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import queue
import sys
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sync_engine.cli.doctor import engine_missing
from sync_engine.common.errors import JobCancelled, describe
from sync_engine.common.priority import nice_wanted, step_back
from sync_engine.common.streams import take_stdin, take_stdout
from sync_engine.interface.guides import control_nets_of
from sync_engine.interface.messages import (
    MAX_LINE_BYTES,
    PROTOCOL_VERSION,
    Accepted,
    Alive,
    Cancel,
    Cancelled,
    Done,
    Event,
    Failed,
    FailureCode,
    Generate,
    Preview,
    ProtocolError,
    Ready,
    Release,
    Released,
    Request,
    Shutdown,
    Watch,
    decode_request,
    encode,
)
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.interface.wording import Message

if TYPE_CHECKING:
    from sync_engine.runtime.job import Engine

log = logging.getLogger(__name__)
LEAST_HEARTBEAT_S = 0.05
END_GRACE_S = 10.0
"""A parent that died does not wait: the process ends this long after its stdin closed."""


@dataclass(frozen=True)
class Waiting:
    """A job that was accepted: its spec is validated and has a seed."""

    job: str
    spec: EnvironmentSpec
    out: Path
    agreed: bool = False


class Service:
    """Reads requests in a thread of its own, so that a cancel is seen while a job runs.

    Args:
        requests: stdin, binary.
        events: where events are written.
        idle_release_s: the model's memory is given back after so many seconds without a job.
    """

    def __init__(self, requests: BinaryIO, events: BinaryIO, idle_release_s: float = 600.0) -> None:
        self._requests, self._events, self._idle_release_s = requests, events, idle_release_s
        self._write_lock = threading.Lock()
        self._inbox: queue.SimpleQueue[Request | Waiting | None] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._ending = threading.Event()
        self._wants_preview = True
        self._alive_every_s: float | None = None

    def run(self) -> int:
        """Serve until ``shutdown`` or the end of stdin; return the exit status."""
        from sync_engine.cli.doctor import examine
        from sync_engine.runtime.job import Engine

        engine = Engine()
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        self._emit(Ready(PROTOCOL_VERSION, examine() | {"can_be_watched": True}))
        waiting: deque[Waiting] = deque()
        while not self._ending.is_set():
            try:
                request = self._inbox.get(timeout=self._idle_release_s)
            except queue.Empty:
                engine.release()
                continue
            if isinstance(request, Waiting):
                waiting.append(request)
            elif isinstance(request, Release):
                engine.release()
                self._emit(Released())
            while waiting and self._inbox.empty():
                self._run_job(engine, waiting.popleft())
        return 0

    def _emit(self, event: Event) -> None:
        try:
            with self._write_lock:
                self._events.write(encode(event))
        except OSError:
            self._ending.set()  # nobody listens any more

    # --- the reading thread ----------------------------------------------------------------

    def _read(self) -> None:
        try:
            self._read_requests()
        finally:  # whatever ended it: nobody can be heard any more
            self._ending.set()
            self._inbox.put(None)
            watchdog = threading.Timer(END_GRACE_S, os._exit, args=(0,))
            watchdog.daemon = True
            watchdog.start()

    def _read_requests(self) -> None:
        while not self._ending.is_set():
            line = self._requests.readline(MAX_LINE_BYTES + 1)
            if not line:
                break
            if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
                self._skip_line()
            if not line.strip():
                continue
            try:
                self._receive(decode_request(line))
            except ProtocolError as error:
                hint = "Send one JSON object a line, as sync_engine/interface/messages.py describes."
                self._emit(
                    Failed(
                        None,
                        FailureCode.PROTOCOL,
                        Message("A request was refused: {reason}.", reason=error),
                        hint,
                    )
                )

    def _skip_line(self) -> None:
        while True:
            rest = self._requests.readline(MAX_LINE_BYTES)
            if not rest or rest.endswith(b"\n"):
                return

    def _receive(self, request: Request) -> None:
        if isinstance(request, Cancel):
            self._cancelled.add(request.job)
        elif isinstance(request, Preview):
            self._wants_preview = request.enabled
        elif isinstance(request, Shutdown):
            self._ending.set()
            self._inbox.put(None)
        elif isinstance(request, Watch):
            self._watch(request.every_s)
        elif isinstance(request, Generate):
            self._accept(request)
        else:
            self._inbox.put(request)

    def _watch(self, every_s: float) -> None:
        """Begin to tell ``alive``, or change how often."""
        begun, self._alive_every_s = self._alive_every_s is not None, max(LEAST_HEARTBEAT_S, every_s)
        if not begun:
            threading.Thread(target=self._tell_alive, name="heartbeat", daemon=True).start()

    def _tell_alive(self) -> None:
        while not self._ending.wait(self._alive_every_s):
            self._emit(Alive())

    def _accept(self, request: Generate) -> None:
        try:
            spec = EnvironmentSpec.from_dict(request.spec).seeded()
        except SpecError as error:
            self._emit(Failed(request.job, FailureCode.BAD_SPEC, error.message, error.remedy))
            return
        self._cancelled.discard(request.job)
        self._emit(Accepted(request.job, spec.to_dict()))
        self._inbox.put(Waiting(request.job, spec, Path(request.out), request.agreed))

    # --- the working thread ----------------------------------------------------------------

    def _run_job(self, engine: Engine, waiting: Waiting) -> None:
        from sync_engine.common.progress import Reporter
        from sync_engine.downloads.consent import check_named_by_file

        job = waiting.job

        def cancelled() -> bool:
            reporter.wants_preview = self._wants_preview
            return job in self._cancelled or self._ending.is_set()

        reporter = Reporter(job, self._emit, self._wants_preview)
        try:
            check_named_by_file(waiting.spec.model, waiting.agreed, can_ask=False)
            for name in control_nets_of(waiting.spec.guides):
                check_named_by_file(name, waiting.agreed, can_ask=False, control=True)
            files, timings = engine.run(waiting.spec, waiting.out, reporter, cancelled, job)
        except JobCancelled:
            self._emit(Cancelled(job))
        except Exception as error:  # the boundary of a job: the service must live on
            log.exception("job %s failed", job)
            failure = describe(error)
            self._emit(Failed(job, failure.code, failure.message, failure.hint))
        else:
            self._emit(Done(job, files, timings))
        finally:
            self._cancelled.discard(job)


def add_parser(commands: Any) -> None:
    """Add the command ``serve`` to the engine's command line."""
    serve = commands.add_parser("serve", help="speak the protocol on stdin and stdout")
    serve.add_argument("--idle-release", type=float, default=600.0, metavar="SECONDS")


def run(options: argparse.Namespace) -> int:
    """Speak the protocol on this process's stdin and stdout; return the exit status."""
    problem = engine_missing()
    if problem is not None:
        sys.stdout.buffer.write(encode(problem))
        return 1
    events = take_stdout()
    step_back(nice_wanted())  # Blender's own interface comes first where both want the CPU
    with contextlib.suppress(KeyboardInterrupt):
        return Service(take_stdin(), events, options.idle_release).run()
    return 130
