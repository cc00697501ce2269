# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine steps back for Blender: its threads do not spin, its niceness counts across sessions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sync_engine.common import priority

ROOT = Path(__file__).parents[2]
AUTOGROUP = Path("/proc/self/autogroup")


def run(code: str, **environment: str) -> str:
    """Run a line in a session of its own, as the client starts the engine, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    return done.stdout.strip()


def test_threads_wait_without_spinning_unless_the_user_wants_it() -> None:
    code = (
        "import os; from sync_engine.common.priority import wait_without_spinning as w; w(); "
        "print(os.environ['GOMP_SPINCOUNT'], os.environ['KMP_BLOCKTIME'])"
    )
    assert run(code, KMP_BLOCKTIME="200", GOMP_SPINCOUNT="7") == "7 200"
    code = f"import os; [os.environ.pop(name, None) for name in {list(priority.WAITING)}]; {code[11:]}"
    assert run(code).split() == list(priority.WAITING.values())


@pytest.mark.skipif(os.name != "posix", reason="niceness is POSIX's; Windows' priority class is not checked")
def test_niceness_is_that_of_the_process_and_of_its_session() -> None:
    step = "import os; from sync_engine.common.priority import step_back; start = os.nice(0); step_back(5); "
    assert run(step + "print(os.nice(0) - start)") == "5"
    if not AUTOGROUP.is_file():
        pytest.skip("this kernel has no autogroups; not checked: the niceness of the engine's session")
    assert run(step + f"print(open({str(AUTOGROUP)!r}).read())").endswith("nice 5")


def test_zero_changes_nothing() -> None:
    step = "import os; from sync_engine.common.priority import step_back; start = os.nice(0); step_back(0); "
    assert run(step + "print(os.nice(0) - start)") == "0"


@pytest.mark.parametrize("text", ["-1", "20", "much", ""])
def test_other_values_are_refused_in_words(monkeypatch, text: str) -> None:
    monkeypatch.setenv(priority.NICE_VARIABLE, text)
    with pytest.raises(ValueError, match="not a whole number from 0 to 19"):
        priority.nice_wanted()


def test_the_default_is_below_normal(monkeypatch) -> None:
    monkeypatch.delenv(priority.NICE_VARIABLE, raising=False)
    assert priority.nice_wanted() == priority.DEFAULT_NICE > 0
