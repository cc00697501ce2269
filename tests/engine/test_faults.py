# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults: an engine killed at several moments, and a disk that fills up while a result is written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sync_engine.host.client import EngineClient
from sync_engine.host.history import list_results
from sync_engine.host.jobs import Job, JobState
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.spec import EnvironmentSpec

pytestmark = pytest.mark.slow

PATIENCE_S = 120.0


def wait_for(client: EngineClient, seen) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not seen():
        client.drain()
        assert time.monotonic() < deadline, "the engine did not get that far"
        time.sleep(0.005)


@pytest.fixture
def client(tmp_path: Path):
    engine = EngineClient(sys.executable, tmp_path / "library")
    yield engine
    engine.shutdown()


@pytest.mark.parametrize("moment", ["starting", "load", "denoise", "decode"])
def test_a_killed_engine_is_told_and_the_next_job_works(
    client: EngineClient, tiny_folder: Path, moment: str
) -> None:
    spec = EnvironmentSpec("a calm sea", model=str(tiny_folder), width=512, steps=20, method="multidiffusion")
    job: Job = client.generate(spec)
    if moment != "starting":
        wait_for(client, lambda: job.stage == moment and (moment == "load" or job.step >= 1))
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    wait_for(client, lambda: job.state.finished)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == FailureCode.ENGINE_DIED
    assert job.error.hint
    assert list_results(client.library) == []
    again = client.generate(spec)
    wait_for(client, lambda: again.state.finished)
    assert again.state is JobState.DONE, again.error
    assert [result.id for result in list_results(client.library)] == [again.id]


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 400 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs root to mount a small disk; it would check that a full disk leaves no half result")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_leaves_no_half_result(
    small_disk: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sync_engine.common.errors import OutputError
    from sync_engine.common.progress import Reporter
    from sync_engine.runtime.job import Engine

    roomy = shutil.disk_usage("/")._replace(free=2**40)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: roomy)
    spec = EnvironmentSpec("a", model=str(tiny_folder), width=1024, steps=1, method="multidiffusion", seed=1)
    with pytest.raises(OutputError, match="cannot be written") as error:
        Engine().run(spec, small_disk / "result", Reporter("j", lambda _: None))
    assert str(small_disk) in error.value.message
    assert list(small_disk.iterdir()) == []
