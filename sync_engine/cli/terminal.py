# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on a terminal: a bar with stage, steps and time left."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from sync_engine.cli.streams import say
from sync_engine.interface.messages import Done, Event, Failed, Progress, Stage


class TerminalProgress:
    """Shows Progress events as a bar on stderr; silent where stderr is no terminal."""

    def __init__(self, stage: Stage = Stage.LOAD) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description:8}", markup=False), BarColumn(), MofNCompleteColumn())
        self._console = Console(stderr=True)
        self._bar = Bar(
            *columns, TextColumn("{task.fields[eta]}", markup=False), console=self._console, transient=True
        )
        self._task: Any = self._bar.add_task(stage, total=None, eta="")

    def __enter__(self) -> TerminalProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def tell(self, event: Event) -> None:
        """Show progress as a bar, a failure as words, and what is done as paths and seconds."""
        if isinstance(event, Progress):
            self.show(event)
        elif isinstance(event, Failed):
            sys.stderr.write(f"{event.message} {event.hint}".strip() + "\n")
        elif isinstance(event, Done):
            lines = [*event.files.values(), f"{event.timings['total']:.1f} s"]
            say("\n".join(lines) + "\n")

    def show(self, event: Progress) -> None:
        """Show one event."""
        if event.note:
            self._console.print(event.note, style="yellow", markup=False)  # a prompt may have brackets
            return
        eta = f"{event.eta_s:.0f} s left" if event.eta_s is not None else ""
        self._bar.update(
            self._task, description=event.stage, completed=event.step, total=event.steps or None, eta=eta
        )
