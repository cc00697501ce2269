# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the client's tests: the fake engine's command, and waiting without guessing how long."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sync_engine.host.client import EngineClient

FAKE = (sys.executable, "-S", str(Path(__file__).with_name("fake_engine.py")))
PATIENCE_S = 30.0


def until(client: EngineClient | None, condition: Callable[[], object]) -> float:
    """Drain until the condition holds; return the seconds that took. Fails when patience ends."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > PATIENCE_S:
            pytest.fail(f"still not so after {PATIENCE_S:g} s; log: {client and client.log_tail()}")
        if client is not None:
            client.drain()
        time.sleep(0.002)
    return time.monotonic() - start


def runs(pid: int) -> bool:
    """Return whether a process lives; one that only waits to be collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return not stat.parent.parent.exists()  # no /proc here, or the process went just now
