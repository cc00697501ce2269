# SPDX-License-Identifier: GPL-3.0-or-later
"""Share the processor with Blender: threads that wait without spinning, and a priority below normal."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

NICE_VARIABLE = "SYNCSCAPE_NICE"
DEFAULT_NICE, MOST_NICE = 5, 19
WAITING = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
"""How long an idle thread of a parallel loop spins before it sleeps: turns, of GNU's OpenMP (Linux), and
milliseconds, of LLVM's and Intel's (macOS, Windows). By default the first spins long where
it believes that it is alone, and takes the core from whoever has work."""
_BELOW_NORMAL = 0x4000
"""Windows' BELOW_NORMAL_PRIORITY_CLASS."""


def wait_without_spinning() -> None:
    """Set what OpenMP's libraries read when torch loads them; what the user has set stays."""
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)


def nice_wanted() -> int:
    """Return how much this process should step back, 0 (not at all) to 19, by ``SYNCSCAPE_NICE``.

    Raises:
        ValueError: the variable holds something else.
    """
    text = os.environ.get(NICE_VARIABLE, str(DEFAULT_NICE))
    if not text.isdecimal() or int(text) > MOST_NICE:
        raise ValueError(f"{NICE_VARIABLE} = {text!r}: not a whole number from 0 to {MOST_NICE}.")
    return int(text)


def step_back(nice: int) -> None:
    """Lower the priority of this process.

    Linux shares the processor first among sessions, where autogroups are on, and only then by niceness
    inside of each. The engine has a session of its own, so the niceness is set of its autogroup, too: without
    that it would mean nothing to Blender (sched(7), "The autogroup feature").

    Args:
        nice: 0 changes nothing, 19 steps back for everybody.
    """
    if nice == 0:
        return
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _BELOW_NORMAL)
        return
    os.nice(nice)
    if os.getsid(0) == os.getpid():  # alone in its session: nobody else is slowed
        with contextlib.suppress(OSError):  # no autogroups in this kernel, or a container that hides them
            Path("/proc/self/autogroup").write_text(str(nice), encoding="ascii")
