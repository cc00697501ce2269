# SPDX-License-Identifier: GPL-3.0-or-later
"""The results in the library, read bit by bit while Blender goes on."""

from __future__ import annotations

import math

import bpy

from ..sync_engine.host.history import Result
from ..sync_engine.host.library import Library
from . import preferences
from .listener import BUDGET_S, Listener, redraw


class Results(Listener):
    """The library that the preferences name. Panels ask for it while they draw."""

    every_s = 0.02

    def __init__(self) -> None:
        super().__init__()
        self._library: Library | None = None

    def library(self) -> Library:
        """Return the results, as far as they are known; where nobody waits they are all known.

        What takes time is read by the timer, which needs a window.
        """
        folder = preferences.library_folder()
        if self._library is None or self._library.folder != folder:
            self._library = Library(folder)
        self._library.refresh(math.inf if bpy.app.background else 0.0)
        if not self._library.complete:
            self.listen()
        return self._library

    def latest(self, kind: str | None = None) -> Result | None:
        """Return the newest result, of this session or of an earlier one."""
        return self.library().newest(kind)

    def forget(self) -> None:
        """Look at the folder again when next asked: a result came or went."""
        if self._library is not None:
            self._library.forget()

    def tick(self) -> bool:
        """Read some more of the library; tell whether there is more to read."""
        if self._library is None or self._library.complete:
            return False
        self._library.refresh(BUDGET_S)
        if self._library.complete:
            redraw()
        return not self._library.complete

    def close(self) -> None:
        """Forget what was read."""
        self._library = None


results = Results()
