# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a batch is, as a bar, as plain lines, or as the protocol's events."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from sync_engine.batch.standing import State
from sync_engine.common.errors import EngineError
from sync_engine.interface.messages import Event, Failed, Progress, encode

LINE_EVERY_S = 10.0
"""Where there is no terminal."""


class BatchProgress:
    """Tells people (stderr) or programs (``as_json``: events on stdout) how far a batch is.

    A ``quiet`` one only passes sentences on.
    """

    def __init__(self, as_json: bool = False, quiet: bool = False) -> None:
        self._quiet = quiet
        self._told: State | None = None
        self._line_at = -1e9
        self._bar: Any = None
        self._stdout: Any = None
        if as_json:
            from sync_engine.common.streams import take_stdout

            self._stdout = take_stdout()
        elif sys.stderr.isatty() and not quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> BatchProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, state: State) -> None:
        """Show the state of all jobs."""
        if self._stdout is not None:
            self._send(Progress("batch", "batch", state.done + state.failed, state.jobs, state.eta_s))
        elif self._bar is not None:
            self._bar.update(
                self._task, total=state.jobs, completed=state.done + state.failed, description=_words(state)
            )
        elif not self._quiet and state != self._told and (state.over or self._line_is_due()):
            self._told = state
            self._line_at = time.monotonic()
            sys.stderr.write(f"{state.done:,} of {state.jobs:,} done{_words(state)}\n")

    def _line_is_due(self) -> bool:
        return time.monotonic() - self._line_at >= LINE_EVERY_S

    def event(self, event: Event) -> None:
        """Show what the job at hand tells; on a terminal, its notes."""
        if self._stdout is not None:
            self._send(event)
        elif isinstance(event, Progress) and event.note:
            self.note(event.note)

    def note(self, text: str) -> None:
        """Show one sentence."""
        if self._stdout is not None:
            self._send(Progress("batch", "batch", 0, 0, note=text))
        elif self._bar is not None:
            self._bar.console.print(text, style="yellow")
        else:
            sys.stderr.write(f"{text}\n")

    def failed(self, error: EngineError) -> None:
        """Show why the whole batch failed."""
        if self._stdout is not None:
            self._send(Failed("batch", error.code, error.message, error.hint))
        else:
            sys.stderr.write(f"{error.message}\n{error.hint}\n")

    def _send(self, event: Event) -> None:
        self._stdout.write(encode(event))


def _words(state: State) -> str:
    parts = [f"{state.failed:,} failed"] if state.failed else []
    if state.eta_s is not None and not state.over:
        parts.append(f"{duration(state.eta_s)} left")
    return "".join(f", {part}" for part in parts)


def duration(seconds: float) -> str:
    """Return a time for people: ``40 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
