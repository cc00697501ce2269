# SPDX-License-Identifier: GPL-3.0-or-later
"""What was logged while one job ran, kept in memory for the case that it fails."""

from __future__ import annotations

import logging
from collections import deque
from types import TracebackType

MOST_LINES = 1000


class JobLog(logging.Handler):
    """Keeps the last lines of every logger. Use as a context manager around one job."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._lines: deque[str] = deque(maxlen=MOST_LINES)

    def __enter__(self) -> JobLog:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._lines.append(self.format(record))

    def text(self) -> str:
        """Return the lines."""
        return "".join(f"{line}\n" for line in self._lines)
