# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of an engine: asked to, left alone, or deaf; none is left behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import FAKE, runs, until

from sync_engine.host.client import EngineClient, EngineState, JobState
from sync_engine.interface.spec import EnvironmentSpec

ROOT = Path(__file__).parents[2]


def spec(prompt: str = "a meadow") -> EnvironmentSpec:
    return EnvironmentSpec(prompt)


def test_shutdown_cancels_and_the_next_job_starts_anew(client_of) -> None:
    client = client_of()
    job = client.generate(spec("slow"))
    until(client, lambda: job.state is JobState.RUNNING)
    pid = client.report["pid"]
    client.shutdown(30)
    assert not runs(pid)
    assert (client.state, job.state) == (EngineState.STOPPED, JobState.CANCELLED)
    assert client.failure is None
    client.shutdown()  # a second time does nothing
    assert client.generate(spec()).wait(30) is JobState.DONE


def test_restart(client_of) -> None:
    client = client_of()
    pid = client.wait_ready(30)["pid"]
    job = client.generate(spec("slow"))
    client.restart()
    assert job.state is JobState.CANCELLED
    assert client.wait_ready(30)["pid"] != pid


@pytest.mark.slow
def test_engine_that_does_not_listen_is_killed(client_of) -> None:
    client = client_of("stubborn")
    pid = client.wait_ready(30)["pid"]
    client.shutdown(timeout=0.05)
    assert client.state is EngineState.STOPPED
    assert not runs(pid)


def test_forgotten_client_takes_its_engine_along(client_of) -> None:
    client = EngineClient(sys.executable, Path(os.devnull), command=FAKE)
    pid = client.wait_ready(30)["pid"]
    del client
    gc.collect()
    until(None, lambda: not runs(pid))


PARENT = """
import sys, time
from pathlib import Path
from sync_engine.host.client import EngineClient
library, words, *command = sys.argv[1:]
client = EngineClient("python", Path(library), command=command, environment={"FAKE_ENGINE": words})
sys.stdout.write(str(client.wait_ready(30)["pid"]) + "\\n")
sys.stdout.flush()
sys.stdin.readline()
"""


def parent(tmp_path: Path, words: str) -> subprocess.Popen:
    command = [sys.executable, "-S", "-c", PARENT, str(tmp_path), words, *FAKE]
    environment = {"PYTHONPATH": str(ROOT), "FAKE_ENGINE_BYE": str(tmp_path / "bye")}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    )


def test_engine_ends_when_its_parent_is_killed(tmp_path) -> None:
    with parent(tmp_path, "") as process:
        pid = int(process.stdout.readline())
        process.kill()
    until(None, lambda: not runs(pid))
    assert (tmp_path / "bye").read_text() == "bye"  # because its stdin ended


@pytest.mark.slow
def test_parent_that_just_exits_leaves_no_engine(tmp_path) -> None:
    start = time.monotonic()
    with parent(tmp_path, "deaf stubborn") as process:
        pid = int(process.stdout.readline())
        process.stdin.close()
        assert process.wait(30) == 0
    assert time.monotonic() - start < 30
    until(None, lambda: not runs(pid))
