# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a batch is, by what the shared folder lists: what is open, what is done, how long it will take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sync_engine.batch.shared_folder import ATTEMPTS, SharedFolder

LIST_SHARE = 0.02
"""Listing the folder may take this share of the time."""
SHORTEST_S = 1.0


@dataclass(frozen=True)
class State:
    """Numbers of jobs, of everybody who works on them.

    ``eta_s`` is the time left at the pace so far; None before the first new result.
    """

    jobs: int
    done: int
    failed: int
    eta_s: float | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.done + self.failed == self.jobs


class Standing:
    """What was last seen of some jobs.

    Args:
        identities: of the jobs.
        folder: of their results.
    """

    def __init__(self, identities: Sequence[str], folder: SharedFolder) -> None:
        self._wanted, self._folder = frozenset(identities), folder
        self.done: set[str] = set()
        self.attempts: dict[str, int] = {}
        self._looked_at, self._cost_s = 0.0, 0.0
        self.look()
        self._first = (time.monotonic(), len(self.done))

    def look(self) -> None:
        """List what there is now."""
        begin = time.monotonic()
        self.done = self._folder.results() & self._wanted
        self.attempts = {k: n for k, n in self._folder.attempts().items() if k in self._wanted}
        self._looked_at = time.monotonic()
        self._cost_s = self._looked_at - begin

    def look_now_and_then(self) -> bool:
        """List, if the last time is long enough ago by what it took; tell whether."""
        if time.monotonic() - self._looked_at < max(SHORTEST_S, self._cost_s / LIST_SHARE):
            return False
        self.look()
        return True

    def is_open(self, identity: str) -> bool:
        """Whether a job is neither done nor set aside."""
        return identity not in self.done and self.attempts.get(identity, 0) < ATTEMPTS

    def state(self) -> State:
        """Return the numbers."""
        done, failed, now = len(self.done), len(self.failed()), time.monotonic()
        if done == self._first[1]:
            self._first = (now, done)  # nothing new yet: models are loaded
        made, left = done - self._first[1], len(self._wanted) - done - failed
        eta_s = (now - self._first[0]) / made * left if made > 0 else None
        return State(len(self._wanted), done, failed, eta_s)

    def failed(self) -> set[str]:
        """Return the jobs that are set aside."""
        return {key for key, tries in self.attempts.items() if tries >= ATTEMPTS and key not in self.done}
