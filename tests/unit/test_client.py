# SPDX-License-Identifier: GPL-3.0-or-later
"""The client with an engine that behaves: jobs, progress, cancel, log, ids, never blocking."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest
from waiting import until

from sync_engine.host.client import EngineClient, EngineState, JobState
from sync_engine.interface.messages import Progress
from sync_engine.interface.spec import EnvironmentSpec, SpecError


def spec(prompt: str = "a meadow", **fields) -> EnvironmentSpec:
    return EnvironmentSpec(prompt, **fields)


def received(client: EngineClient, count: int) -> list[str]:
    """Return what the fake engine says it received, once that is so much."""

    def lines() -> list[str]:
        return [line for line in client.log_tail(100) if line.startswith("got ")]

    until(client, lambda: len(lines()) >= count)
    return lines()


def test_generate_starts_the_engine_and_delivers_the_result(client_of) -> None:
    client = client_of()
    assert client.state is EngineState.STOPPED
    job = client.generate(spec(width=512))
    assert job.state is JobState.QUEUED
    assert client.state is EngineState.STARTING
    assert client.current is job
    assert job.wait(30) is JobState.DONE
    assert job.result is not None
    assert job.result.folder == client.library / job.id
    assert job.result.image.read_bytes() == b"picture"
    assert job.result.timings == {"total": 1.5}
    assert job.result.spec == job.spec == spec(width=512, seed=4711)
    assert (job.progress, job.error, job.preview, job.eta_s) == (1.0, None, None, None)
    assert client.state is EngineState.READY
    assert client.current is None
    assert client.jobs == [job]


def test_plate_and_given_seed(client_of) -> None:
    job = client_of().generate(spec(kind="plate", width=640, height=64, seed=3))
    assert job.wait(30) is JobState.DONE
    assert job.result.image.name == "plate.png"
    assert job.spec.seed == 3


def test_progress_rises_and_names_its_stage(client_of) -> None:
    client = client_of()
    job = client.generate(spec("slow"))
    until(client, lambda: job.stage == "denoise")
    assert job.state is JobState.RUNNING
    assert (job.step, job.steps, job.eta_s) == (1, 4, 3.0)
    assert job.preview == Path("/tmp/live.png")
    assert job.note == "Loading takes a while."
    assert 0.05 < job.progress < 0.5
    assert client.state is EngineState.BUSY
    job.cancel()
    other = client.generate(spec())
    seen = [0.0]
    until(client, lambda: seen.append(other.progress) or other.state.finished)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_strange_numbers_do_no_harm(client_of) -> None:
    client = client_of()
    job = client.generate(spec("strange", seed=9))
    shown = []
    until(client, lambda: shown.append((job.eta_s, job.progress)) or job.state.finished)
    assert job.state is JobState.DONE
    assert all(eta is None or 0 <= eta <= 3 for eta, _ in shown)
    assert all(0 <= progress <= 1 for _, progress in shown)
    assert job.spec.seed == 9


def test_a_refused_request_fails_no_job(client_of) -> None:
    client = client_of()
    assert client.generate(spec("refuse")).wait(30) is JobState.DONE
    assert client.failure is None
    assert any("No such request." in line for line in client.log_tail(50))


def test_jobs_run_in_order(client_of) -> None:
    client = client_of()
    jobs = [client.generate(spec()) for _ in range(3)]
    assert client.current is jobs[0]
    assert [job.wait(30) for job in reversed(jobs)] == [JobState.DONE] * 3
    assert client.jobs == jobs
    assert received(client, 3) == [f"got generate {job.id}" for job in jobs]
    assert client.wait_ready(1)["pid"] == client.report["pid"]


def test_bad_spec_is_refused_before_an_engine_starts(client_of) -> None:
    client = client_of()
    with pytest.raises(SpecError, match="width"):
        client.generate(spec(width=1000))
    assert client.state is EngineState.STOPPED
    assert client.jobs == []


def test_wait_gives_up_but_the_job_goes_on(client_of) -> None:
    client = client_of()
    job = client.generate(spec("slow"))
    with pytest.raises(TimeoutError, match=job.id):
        job.wait(0)
    until(client, lambda: job.state is JobState.RUNNING)


# --- cancel ---------------------------------------------------------------------------------


def test_cancel_is_immediate_and_the_engine_stays_warm(client_of) -> None:
    client = client_of()
    job = client.generate(spec("slow"))
    until(client, lambda: job.state is JobState.RUNNING)
    pid = client.report["pid"]
    job.cancel()
    assert job.state is JobState.CANCELLED
    assert client.current is None
    assert client.state is EngineState.BUSY  # until the engine has let go
    until(client, lambda: client.state is EngineState.READY)
    assert client.generate(spec()).wait(30) is JobState.DONE
    assert client.report["pid"] == pid
    assert job.state is JobState.CANCELLED
    job.cancel()  # a second time changes nothing


def test_cancel_before_the_engine_has_accepted(client_of, tmp_path) -> None:
    gate = tmp_path / "gate"
    client = client_of(environment={"FAKE_ENGINE_GATE": str(gate)})
    job = client.generate(spec())
    job.cancel()
    assert job.state is JobState.CANCELLED
    following = client.generate(spec())
    gate.touch()
    assert following.wait(30) is JobState.DONE
    assert client.state is EngineState.READY
    assert job.state is JobState.CANCELLED
    assert received(client, 2)[:2] == [f"got generate {job.id}", f"got cancel {job.id}"]


def test_cancel_of_a_waiting_job_leaves_the_running_one(client_of) -> None:
    client = client_of()
    running, waiting = client.generate(spec("slow")), client.generate(spec())
    until(client, lambda: running.state is JobState.RUNNING)
    waiting.cancel()
    assert (running.state, waiting.state) == (JobState.RUNNING, JobState.CANCELLED)
    assert client.current is running
    running.cancel()
    until(client, lambda: client.state is EngineState.READY)
    assert not (client.library / waiting.id).exists()


def test_a_result_that_comes_after_the_cancel_changes_nothing(client_of) -> None:
    client = client_of()
    job = client.generate(spec("slow late_done"))
    until(client, lambda: job.state is JobState.RUNNING)
    job.cancel()
    until(client, lambda: client.state is EngineState.READY)
    assert (job.state, job.result) == (JobState.CANCELLED, None)


# --- requests -------------------------------------------------------------------------------


def test_release_and_preview_reach_the_engine(client_of) -> None:
    client = client_of()
    client.release()  # without an engine there is nothing to release
    client.set_preview(False)
    client.wait_ready(30)
    client.set_preview(False)
    client.set_preview(True)
    client.release()
    assert received(client, 3) == ["got preview False", "got preview True", "got release"]


def test_environment_of_the_engine(client_of, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/blender/python")
    monkeypatch.setenv("PYTHONPATH", "/blender/scripts")
    monkeypatch.setenv("PYTHONSTARTUP", "/blender/startup.py")
    client = client_of(environment={"FAKE_ENGINE_EXTRA": "given"})
    report = client.wait_ready(30)
    seen = report["environment"]
    assert (Path(seen["PYTHONPATH"]) / "sync_engine" / "host" / "client.py").is_file()
    assert (seen["PYTHONUNBUFFERED"], seen["PYTHONNOUSERSITE"]) == ("1", "1")
    assert not {"PYTHONHOME", "PYTHONSTARTUP"} & set(seen)
    assert seen["FAKE_ENGINE_EXTRA"] == "given"
    assert str(Path(__file__).parent) not in report["path"]  # nor is any other folder put in front


def test_log_is_kept_and_turned_over(client_of) -> None:
    client = client_of()
    assert client.log_tail() == []
    client.generate(spec()).wait(30)
    until(client, lambda: "denoise step 1 of 4" in client.log_tail(50))
    assert client.log_tail(1) == client.log_tail(50)[-1:]
    client.shutdown()
    assert "denoise step 1 of 4" in client.log.read_text()
    client.wait_ready(30)
    assert "denoise step 1 of 4" not in client.log.read_text()
    assert "denoise step 1 of 4" in client.log.with_name("engine.log.1").read_text()


def test_engine_works_without_a_log_file(client_of, tmp_path) -> None:
    (tmp_path / "file").touch()
    client = client_of(log=tmp_path / "file" / "engine.log")
    assert client.generate(spec()).wait(30) is JobState.DONE
    until(client, lambda: "denoise step 1 of 4" in client.log_tail(50))


# --- the main thread never waits ------------------------------------------------------------


def test_requests_to_an_engine_that_does_not_read_do_not_block(client_of) -> None:
    client = client_of("deaf")
    client.wait_ready(30)
    guard = threading.Timer(20, client._run.process.kill)  # a write that blocks would hang the test
    guard.start()
    jobs = [client.generate(spec("x" * 2000)) for _ in range(200)]  # far more than a pipe holds
    jobs[0].cancel()
    client.drain()
    guard.cancel()
    assert client.state is EngineState.BUSY
    assert {job.state for job in jobs[1:]} == {JobState.QUEUED}
    start = time.monotonic()
    client.shutdown(timeout=0.1)
    assert time.monotonic() - start < 10
    assert {job.state for job in jobs} == {JobState.CANCELLED}


def test_drain_keeps_to_its_budget(client_of) -> None:
    client = client_of()
    job = client.generate(spec("flood"))
    until(None, lambda: len(client._run.process.events) > 4500)
    assert [len(client.drain(budget_s=0)) for _ in range(50)] == [1] * 50
    times, events = [], []
    while not job.state.finished:
        start = time.thread_time()
        events += client.drain(budget_s=0.003)
        times.append(time.thread_time() - start)
        time.sleep(0.002)
    assert sum(isinstance(event, Progress) for event in events) > 4000
    assert sorted(times)[len(times) // 2] < 0.006
    assert job.state is JobState.DONE


def test_two_clients_share_a_library(client_of) -> None:
    one, two = client_of(), client_of()
    jobs = [one.generate(spec()), two.generate(spec())]
    assert [job.wait(30) for job in jobs] == [JobState.DONE] * 2
    assert one.report["pid"] != two.report["pid"]


def test_python_may_be_a_name_on_the_path(tmp_path, monkeypatch) -> None:
    from sync_engine.host.diagnosis import find_python

    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert find_python(Path(sys.executable).name) == Path(sys.executable).absolute()
    assert find_python(sys.executable) == Path(sys.executable)  # the venv's link, not what it points to
