# SPDX-License-Identifier: GPL-3.0-or-later
"""The library as a list that stays up to date: read bit by bit, so that no caller ever waits."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

from .history import Result, ResultError, matches, newest_first, read_result, result_names
from .unfinished import Unfinished, unfinished_jobs

UNSURE_NS = 2 * 10**9
"""A folder that changed so recently may change again without its time of change telling."""


class Library:
    """The results of one folder, newest first.

    The folders are the truth and this is only what was last seen of them: results that another
    Blender made or deleted are noticed by the folder's time of change.

    Args:
        folder: the library's folder; one that does not exist has no results.

    Attributes:
        results: what has been read so far, newest first.
        unfinished: jobs that can be asked for again, the newest first.
        complete: whether everything there is has been read.
        version: grows with every change of ``results``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results: tuple[Result, ...] = ()
        self.unfinished: tuple[Unfinished, ...] = ()
        self.complete = False
        self.version = 0
        self._known: dict[str, Result | None] = {}  # None: a folder that cannot be read
        self._unread: list[str] = []
        self._seen: int | None = None

    def refresh(self, budget_s: float = math.inf) -> bool:
        """Look for what is new, for at most ``budget_s`` seconds; tell whether ``results`` changed.

        Folders are read from the last name to the first: jobs are named by their time, so the
        newest results are there first.
        """
        end = time.perf_counter() + budget_s
        changed = self._look() if self._changed_on_disk() else False
        while self._unread:
            name = self._unread.pop()
            try:
                self._known[name] = read_result(self.folder / name)
                changed = True
            except ResultError:
                self._known[name] = None  # history.broken_results() names what is wrong
            if time.perf_counter() >= end:
                break
        self.complete = not self._unread
        if changed:
            self.results = tuple(newest_first(result for result in self._known.values() if result))
            self.version += 1
        return changed

    def forget(self) -> None:
        """Look at the folder again at the next ``refresh``, whatever its time of change says."""
        self._seen = None

    def get(self, result_id: str) -> Result | None:
        """Return a result by its name."""
        return self._known.get(result_id)

    def newest(self, kind: str | None = None) -> Result | None:
        """Return the newest result, of one kind if wanted."""
        return next((result for result in self.results if kind in (None, result.kind)), None)

    def find(self, kind: str | None = None, text: str = "") -> list[Result]:
        """Return the results of a kind whose prompt or name contains every word, newest first."""
        words = text.casefold().split()
        return [result for result in self.results if matches(result, kind, words)]

    def _changed_on_disk(self) -> bool:
        try:
            changed = os.stat(self.folder).st_mtime_ns
        except OSError:
            changed = -1
        if changed == self._seen:
            return False
        self._seen = changed if abs(time.time_ns() - changed) > UNSURE_NS else None
        return True

    def _look(self) -> bool:
        """Compare the names on disk with those known; tell whether a result is gone."""
        there = set(result_names(self.folder))
        gone = [name for name in self._known if name not in there]
        lost = any(self._known[name] is not None for name in gone)
        for name in gone:
            del self._known[name]
        self._unread = sorted(name for name in there if self._known.get(name) is None)
        self.unfinished = unfinished_jobs(self.folder)
        return lost
