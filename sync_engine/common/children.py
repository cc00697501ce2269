# SPDX-License-Identifier: GPL-3.0-or-later
"""How more processes of the engine are started: the same Python, the same code."""

from __future__ import annotations

import os
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "sync_engine")
ROOT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment variables with the engine's code findable, and more of them."""
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), **more}
