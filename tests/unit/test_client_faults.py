# SPDX-License-Identifier: GPL-3.0-or-later
"""The client with an engine that fails: crashes, garbage, no torch, hangs; always words, never a hang."""

from __future__ import annotations

import os
import signal
import sys
from queue import Empty

import pytest
from waiting import FAKE, until

from sync_engine.host.client import EngineClient, EngineFailed, EngineMissing, EngineState, JobState
from sync_engine.host.history import list_results
from sync_engine.host.process import EventQueue
from sync_engine.interface.messages import Done, Progress
from sync_engine.interface.spec import EnvironmentSpec

SETTING = "Preferences → Syncscape → Engine Python"


def spec(prompt: str = "a meadow", **fields) -> EnvironmentSpec:
    return EnvironmentSpec(prompt, **fields)


def grandchild_of(client: EngineClient) -> int:
    return next(int(line.split()[1]) for line in client.log_tail(50) if line.startswith("grandchild"))


# --- the engine dies ------------------------------------------------------------------------


def test_killed_engine_is_reported_within_a_second_and_the_next_job_works(client_of) -> None:
    client = client_of()
    job = client.generate(spec("slow"))
    until(client, lambda: job.state is JobState.RUNNING)
    until(client, lambda: "denoise step 1 of 4" in client.log_tail())
    pid = client.report["pid"]
    os.kill(pid, signal.SIGKILL)
    assert until(client, lambda: job.state.finished) < 1.0
    assert job.state is JobState.FAILED
    assert job.error.code == "engine_died"
    assert "SIGKILL" in job.error.message
    assert "denoise step 1 of 4" in job.error.message
    assert "Generate again" in job.error.hint
    assert client.state is EngineState.CRASHED
    assert client.failure == job.error
    again = client.generate(spec())
    assert again.wait(30) is JobState.DONE
    assert client.report["pid"] != pid
    assert client.failure is None
    assert job.state is JobState.FAILED


def test_jobs_that_wait_survive_the_death_of_the_engine(client_of) -> None:
    client = client_of()
    killer, first, second, third = (client.generate(spec(words)) for words in ("crash", "a", "crash b", "c"))
    assert third.wait(30) is JobState.DONE
    states = [job.state for job in (killer, first, second)]
    assert states == [JobState.FAILED, JobState.DONE, JobState.FAILED], "each crash takes its own job only"
    assert client.failure is None
    assert {result.id for result in list_results(client.library)} == {first.id, third.id}


@pytest.mark.parametrize("prompt", ["hang", "stop"])
def test_a_cancel_that_is_not_obeyed_ends_the_engine_and_the_queue_goes_on(
    client_of, monkeypatch, prompt: str
) -> None:
    monkeypatch.setattr("sync_engine.host.engine_run.CANCEL_GRACE_S", 0.2)
    client = client_of()
    job, waiting, dropped = client.generate(spec(prompt)), client.generate(spec()), client.generate(spec())
    until(client, lambda: job.state is JobState.RUNNING)
    pid = client.pid
    dropped.cancel()
    job.cancel()
    assert job.state is JobState.CANCELLED
    assert waiting.wait(30) is JobState.DONE
    assert client.pid != pid
    assert dropped.state is JobState.CANCELLED
    assert client.failure is None
    assert (
        "did not let go" in "\n".join(client.log_tail(500)) or client.log.with_name("engine.log.1").exists()
    )
    again = client.generate(spec(prompt))
    until(client, lambda: again.state is JobState.RUNNING)
    again.cancel()
    until(client, lambda: client.state is EngineState.STOPPED)
    assert client.failure is None
    assert client.generate(spec()).wait(30) is JobState.DONE


def test_a_cancel_that_is_obeyed_keeps_the_engine(client_of, monkeypatch) -> None:
    monkeypatch.setattr("sync_engine.host.engine_run.CANCEL_GRACE_S", 5.0)
    client = client_of()
    job = client.generate(spec("slow"))
    until(client, lambda: job.state is JobState.RUNNING)
    pid = client.pid
    job.cancel()
    until(client, lambda: client.state is EngineState.READY)
    assert client.pid == pid


def test_an_engine_that_says_nothing_is_told_and_can_be_given_up(client_of, monkeypatch) -> None:
    monkeypatch.setattr("sync_engine.host.engine_run.HEARTBEAT_S", 0.02)
    monkeypatch.setattr("sync_engine.host.engine_run.SILENT_S", 0.5)
    client = client_of("watched")
    hung = client.generate(spec("hang"))
    until(client, lambda: hung.state is JobState.RUNNING)
    until(client, lambda: client._run.process.heard_at and client.silent_for < 0.5)
    client.cancel(hung)
    client.recover()
    job, waiting = client.generate(spec("stop")), client.generate(spec())
    until(client, lambda: job.state is JobState.RUNNING)
    until(client, lambda: client.not_responding)
    assert job.state is JobState.RUNNING, "it may come back"
    client.recover()
    assert job.state is JobState.FAILED
    assert "did not respond" in job.error.message
    assert waiting.wait(30) is JobState.DONE
    assert not client.not_responding


def test_an_engine_of_an_older_version_is_not_watched(client_of) -> None:
    client = client_of()
    client.wait_ready(30)
    assert client.silent_for == 0.0
    assert client.generate(spec()).wait(30) is JobState.DONE
    assert not any("got watch" in line for line in client.log_tail(50))


@pytest.mark.slow
def test_a_flood_of_progress_is_drained_at_once(client_of) -> None:
    queue = EventQueue()
    for number in range(200_000):
        queue.put(Progress("a", "denoise", number, 200_000, preview="p.png" if number == 5 else None))
    queue.put(Progress("a", "denoise", 7, 8, note="words"))
    queue.put(Progress("a", "denoise", 8, 8))
    queue.put(Done("a", {}, {}))
    taken = [queue.get_nowait() for _ in range(3)]
    assert [type(event) for event in taken] == [Progress, Progress, Done]
    assert taken[0] == Progress("a", "denoise", 7, 8, preview="p.png", note="words")
    with pytest.raises(Empty):
        queue.get_nowait()


def test_a_grandchild_that_holds_the_pipes_hides_nothing(client_of) -> None:
    client = client_of()
    job = client.generate(spec("grandchild"))
    assert job.wait(20) is JobState.FAILED  # the grandchild lives for 60 s
    assert job.error.code == "engine_died"
    os.kill(grandchild_of(client), signal.SIGKILL)


def test_exit_in_mid_job_tells_status_and_last_words(client_of) -> None:
    job = client_of().generate(spec("exit"))
    assert job.wait(30) is JobState.FAILED
    assert "exit status 3" in job.error.message
    assert "no more room for tensors" in job.error.message


def test_idle_engine_dies(client_of) -> None:
    client = client_of()
    pid = client.wait_ready(30)["pid"]
    os.kill(pid, signal.SIGKILL)
    until(client, lambda: client.state is EngineState.CRASHED)
    with pytest.raises(EngineFailed, match="SIGKILL"):
        client.wait_ready(30)
    assert client.generate(spec()).wait(30) is JobState.DONE


def test_generate_notices_a_death_that_nobody_has_drained(client_of) -> None:
    client = client_of()
    old = client.generate(spec("slow"))
    until(client, lambda: old.state is JobState.RUNNING)
    os.kill(client.report["pid"], signal.SIGKILL)
    until(None, lambda: not client._run.process.alive)
    new = client.generate(spec())
    assert old.state is JobState.FAILED
    assert old.error.code == "engine_died"
    assert new.wait(30) is JobState.DONE


@pytest.mark.slow
def test_engine_that_closes_its_stdout_is_ended(client_of) -> None:
    job = client_of().generate(spec("mute"))
    assert job.wait(30) is JobState.FAILED
    assert job.error.code == "engine_died"


# --- the engine talks nonsense --------------------------------------------------------------


def test_garbage_and_overlong_lines_are_logged_and_ignored(client_of) -> None:
    client = client_of()
    job = client.generate(spec("garbage"))
    assert job.wait(30) is JobState.DONE
    remarks = [line for line in client.log_tail(50) if line.startswith("[client] ignored")]
    assert len(remarks) == 10
    assert any("Downloading: 45%" in line for line in remarks)
    assert any("longer than" in line for line in remarks)
    assert all(len(line) < 1000 for line in remarks)


def test_a_program_that_babbles_is_ended_and_named(client_of) -> None:
    client = client_of("babbles")
    job = client.generate(spec())
    assert job.wait(30) is JobState.FAILED
    assert job.error.code == "protocol"
    assert FAKE[0] in job.error.message
    assert "Welcome to something else!" in job.error.message
    assert SETTING in job.error.hint
    assert client.state is EngineState.CRASHED


def test_engine_of_another_version(client_of) -> None:
    client = client_of("other_version")
    with pytest.raises(EngineFailed, match="version 999 of the protocol") as raised:
        client.wait_ready(30)
    assert raised.value.failure.code == "protocol"
    assert "Install" in raised.value.failure.hint


def test_failure_of_a_job_keeps_the_engine(client_of) -> None:
    client = client_of()
    job = client.generate(spec("fail"))
    assert job.wait(30) is JobState.FAILED
    assert (job.error.code, str(job.error)) == ("out_of_memory", "Too large. Choose a smaller size.")
    assert client.state is EngineState.READY
    assert client.failure is None


def test_done_without_a_result_is_a_failure(client_of) -> None:
    job = client_of().generate(spec("broken"))
    assert job.wait(30) is JobState.FAILED
    assert job.error.code == "output"
    assert job.id in job.error.message


# --- the engine does not start --------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("no_torch", "engine_missing", "has no torch"),
        ("old_python", "engine_missing", "is too old"),
        ("missing_packages", "engine_missing", "It has no diffusers."),
        ("dies", "engine_died", "RuntimeError: the flux capacitor is empty"),
    ],
)
def test_start_that_fails_is_put_into_words(client_of, words, code, message) -> None:
    client = client_of(words)
    job = client.generate(spec())
    assert job.wait(30) is JobState.FAILED
    assert job.error.code == code
    assert message in job.error.message
    assert job.error.hint
    assert "Traceback" not in str(job.error)
    if words != "missing_packages":  # there the engine's own words count
        assert sys.executable in job.error.message
        assert SETTING in job.error.hint
    with pytest.raises(EngineFailed) as raised:
        client.wait_ready(30)
    assert raised.value.failure == job.error
    assert client.state is EngineState.CRASHED


def test_the_real_engine_under_a_python_without_packages(client_of) -> None:
    client = client_of(command=(sys.executable, "-S", "-m", "sync_engine", "serve"))
    with pytest.raises(EngineFailed, match=r"has no (numpy|torch)") as raised:
        client.wait_ready(30)
    assert raised.value.failure.code == "engine_missing"
    assert sys.executable in raised.value.failure.message
    assert SETTING in raised.value.failure.hint


def test_engine_root_without_the_engine(client_of, tmp_path) -> None:
    client = client_of(command=(sys.executable, "-S", "-m", "sync_engine", "serve"), engine_root=tmp_path)
    with pytest.raises(EngineFailed, match=r"not in .*Install the Syncscape extension again"):
        client.wait_ready(30)


def test_silent_engine_is_given_up(client_of) -> None:
    client = client_of("silent")
    client.start()
    with pytest.raises(EngineFailed, match="not ready after"):
        client.wait_ready(0.05)
    assert client.state is EngineState.STARTING  # it may still come


@pytest.mark.parametrize(
    "case", ["missing", "folder", "no permission", "no program", "blender", "empty", "nul"]
)
def test_python_that_cannot_be_run(tmp_path, case) -> None:
    python = tmp_path / ("blender" if case == "blender" else "python")
    expected = {
        "missing": "does not exist",
        "folder": "is a folder",
        "no permission": "cannot be run",
        "no program": "cannot be run",
        "blender": "is Blender itself",
        "empty": "No Python is named",
        "nul": "does not exist",
    }[case]
    if case == "folder":
        python.mkdir()
    elif case in ("no permission", "no program", "blender"):
        python.write_bytes(b"\x00nothing to run")
        python.chmod(0o644 if case == "no permission" else 0o755)
    given = {"empty": " ", "nul": "/a\0b"}.get(case, str(python))
    client = EngineClient(given, tmp_path / "library")
    for call in (client.start, lambda: client.generate(spec())):
        with pytest.raises(EngineMissing, match=expected) as raised:
            call()
        failure = raised.value.failure
        assert failure.code == "engine_missing"
        assert SETTING in failure.hint
        assert case in ("empty", "nul") or str(python) in failure.message
        assert client.failure == failure
    assert client.state is EngineState.CRASHED
    assert client.jobs == []
