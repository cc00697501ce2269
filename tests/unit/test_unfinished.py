# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that were not finished: kept in the library while somebody lives, offered again when nobody does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import FAKE, until

from sync_engine.host.client import JobState
from sync_engine.host.library import Library
from sync_engine.host.unfinished import KeptQueue, discard, sweep_queues, unfinished_jobs
from sync_engine.interface.partial_folders import RESUMABLE_S, FolderLock, sweep_partials
from sync_engine.interface.spec import EnvironmentSpec

SPEC = EnvironmentSpec("a calm sea", width=512)


def checkpoint(library: Path, name: str, spec: EnvironmentSpec = SPEC, header: bytes | None = None) -> Path:
    """Leave what a dead job leaves: a lock that nobody holds, and a checkpoint."""
    folder = library / f".{name}.0a0b0c0d.partial"
    folder.mkdir()
    FolderLock(folder).release()
    if header is None:
        key = json.dumps({"spec": spec.to_json()})
        header = json.dumps({"__metadata__": {"key": key, "about": "{}"}}).encode()
    (folder / "checkpoint.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


def told(library: Path) -> list[tuple[str, bool]]:
    return [(job.id, job.begun) for job in unfinished_jobs(library)]


def test_waiting_jobs_are_offered_once_nobody_has_them(tmp_path: Path) -> None:
    queue = KeptQueue(tmp_path)
    for name in ("one", "two", "three"):
        queue.keep(name, SPEC)
    queue.drop("two")
    assert told(tmp_path) == [], "their Blender lives"
    sweep_queues(tmp_path)
    queue.leave()
    assert sorted(told(tmp_path)) == [("one", False), ("three", False)]
    assert unfinished_jobs(tmp_path)[0].spec == SPEC
    (tmp_path / "one").mkdir()
    assert told(tmp_path) == [("three", False)], "the other has its result"
    discard(unfinished_jobs(tmp_path)[0])
    assert told(tmp_path) == []
    (tmp_path / "one").rmdir()
    discard(unfinished_jobs(tmp_path)[0])
    sweep_queues(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_job_is_offered_for_a_week_and_is_one_with_its_place_in_the_queue(
    tmp_path: Path,
) -> None:
    folder = checkpoint(tmp_path, "job", EnvironmentSpec("a calm sea", width=512, seed=7))
    queue = KeptQueue(tmp_path)
    queue.keep("job", SPEC)
    queue.leave()
    assert told(tmp_path) == [("job", True)]
    (job,) = unfinished_jobs(tmp_path)
    assert job.spec.seed == 7
    living = FolderLock(folder)
    assert told(tmp_path) == [("job", False)], "somebody goes on with it"
    living.release()
    assert sweep_partials(tmp_path) == []
    old = time.time() - RESUMABLE_S - 60
    for path in (*folder.iterdir(), folder, *tmp_path.glob(".queue.*/*.json")):
        os.utime(path, (old, old))
    assert told(tmp_path) == []
    assert sweep_partials(tmp_path) == [folder]
    sweep_queues(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "header",
    [b"", b"{}", b"null", b'{"__metadata__": []}', b'{"__metadata__": {"key": "[[[["}}', b"[" * 5000],
)
def test_damaged_checkpoints_and_records_hide_nothing(tmp_path: Path, header: bytes) -> None:
    checkpoint(tmp_path, "bad", header=header)
    checkpoint(tmp_path, "good")
    queue = KeptQueue(tmp_path)
    queue.keep("waits", SPEC)
    broken = next(tmp_path.glob(".queue.*")) / "broken.json"
    broken.write_bytes(b"{" * 5000)
    os.mkfifo(broken.with_name("pipe.json"))
    queue.leave()
    assert sorted(told(tmp_path)) == [("good", True), ("waits", False)]
    huge = checkpoint(tmp_path, "huge") / "checkpoint.safetensors"
    huge.write_bytes((2**60).to_bytes(8, "little"))
    assert len(told(tmp_path)) == 2


def test_what_is_not_writable_stops_no_job(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    queue = KeptQueue(tmp_path / "file" / "library")
    queue.keep("job", SPEC)
    queue.drop("job")
    queue.leave()


def test_a_client_keeps_what_waits_until_it_is_done_or_unwanted(client_of) -> None:
    client = client_of()
    first, second, third = (client.generate(EnvironmentSpec(prompt)) for prompt in ("slow", "b", "c"))
    kept = lambda: {path.stem for path in client.library.glob(".queue.*/*.json")}  # noqa: E731
    assert kept() == {first.id, second.id, third.id}
    third.cancel()
    assert kept() == {first.id, second.id}
    first.cancel()
    second.wait(20)
    assert kept() == set()
    left = client.generate(EnvironmentSpec("slow"))
    client.shutdown()
    assert left.state is JobState.CANCELLED
    library = Library(client.library)
    library.refresh()
    assert [job.id for job in library.unfinished] == [left.id], "it can be asked for again"
    again = client.generate(library.unfinished[0].spec, job_id=left.id)
    assert again.id == left.id
    again.cancel()
    library.forget()
    library.refresh()


def test_jobs_of_an_engine_that_cannot_start_are_offered_again(client_of) -> None:
    client = client_of("no_torch")
    job = client.generate(SPEC)
    job.wait(20)
    assert job.state is JobState.FAILED
    assert told(client.library) == [(job.id, False)]


KILLED = """
import sys
from pathlib import Path
from sync_engine.host.client import EngineClient
from sync_engine.interface.spec import EnvironmentSpec
client = EngineClient("python", Path(sys.argv[1]), command=sys.argv[2:])
for prompt in ("slow", "b"):
    client.generate(EnvironmentSpec(prompt))
print("asked", flush=True)
client.jobs[0].wait()
"""


def test_waiting_jobs_outlive_their_blender(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", KILLED, str(tmp_path), *FAKE]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as blender:
        assert blender.stdout is not None
        blender.stdout.readline()
        assert told(tmp_path) == []
        blender.send_signal(signal.SIGKILL)
    until(None, lambda: len(told(tmp_path)) == 2)
    assert [job.spec.prompt for job in reversed(unfinished_jobs(tmp_path))] == ["slow", "b"]
