# SPDX-License-Identifier: GPL-3.0-or-later
"""stdout and stderr as they may be: closed, full, a pipe that ended, of an encoding that lacks letters."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable


def prepare() -> None:
    """Let every text be written: letters that the encoding lacks as escapes, to a closed stream nowhere."""
    with contextlib.suppress(OSError):
        # Descriptors 0 to 2 are there: else the next file opened would be what libraries print into.
        while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(spare, True)
        os.close(spare)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (as long as the process)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print what a command has done; that nobody can take it is no failure."""
    _attempt("stdout", lambda: (sys.stdout.write(text), sys.stdout.flush()))


def finish() -> None:
    """Write what is left in the buffers."""
    for name in ("stdout", "stderr"):
        _attempt(name, getattr(sys, name).flush)


def _attempt(name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except BrokenPipeError:
        _abandon(name)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        _abandon(name)
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"What was to be printed could not be written ({error}).\n")


def _abandon(name: str) -> None:
    """Send what the interpreter still writes at its end to nowhere."""
    setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (as long as the process)


class Hearer:
    """Writes events as long as somebody hears them; a job goes on without.

    Args:
        write: takes the bytes of one event.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write, self._gone = write, False

    def __call__(self, data: bytes) -> None:
        """Write, unless an earlier attempt has failed."""
        if not self._gone:
            try:
                self._write(data)
            except OSError:
                self._gone = True
