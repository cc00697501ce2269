# SPDX-License-Identifier: GPL-3.0-or-later
"""The export that runs beside this Blender, and the timer that hears of its end."""

from __future__ import annotations

from pathlib import Path

from ..sync_engine.host.client import EngineMissing
from ..sync_engine.host.export import Export
from . import preferences
from .link import NO_PYTHON, link
from .listener import Listener, redraw


class EngineExport(Listener):
    """One export at a time.

    Attributes:
        last: the export that runs or ran last; None before the first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last: Export | None = None

    @property
    def busy(self) -> bool:
        """Whether one goes on."""
        return self.last is not None and self.last.running

    def start(
        self, picture: Path, form: str, out: Path, exposure: float = 0.0, size: int | None = None
    ) -> Export:
        """Start an export; EngineMissing without an engine."""
        wanted = preferences.engine_settings()
        if not wanted.python:
            raise EngineMissing(NO_PYTHON)
        self.last = Export(wanted.python, picture, form, out, exposure, size, wanted.environment)
        link.error = None
        self.listen()
        return self.last

    def tick(self) -> bool:
        """Show the end; tell whether more may come."""
        if self.last is None or self.last.running:
            return self.last is not None
        if self.last.problem is not None:
            link.error = self.last.problem
        redraw()
        return False

    def close(self) -> None:
        """Nothing: an export ends by itself."""


engine_export = EngineExport()
