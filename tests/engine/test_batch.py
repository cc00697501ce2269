# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch as a whole: every job once, whoever dies in between; what it reports; how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sync_engine.__main__ import main
from sync_engine.host.library import Library
from tests.engine.batch_jobs import StandIns, write_jobs


def wait_for(reached: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it was never reached"
        time.sleep(0.02)


@pytest.mark.slow
def test_two_processes_share_the_work_and_one_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    batch = StandIns(tmp_path, write_jobs(tmp_path / "jobs.jsonl", 150), fail_every=50, seconds=0.01)
    options = ("--stale-after", "1.5")
    doomed, survivor = batch.start(*options), batch.start(*options)
    wait_for(lambda: len(batch.results()) >= 20)
    doomed.kill()
    doomed.communicate()
    told = survivor.communicate(timeout=120)[1]
    assert survivor.returncode == 6, told
    by_state: dict[str, list[dict]] = {}
    for entry in batch.report():
        by_state.setdefault(entry["state"], []).append(entry)
    assert {state: len(entries) for state, entries in by_state.items()} == {"done": 147, "failed": 3}
    assert batch.results() == sorted(entry["identity"] for entry in by_state["done"])
    for entry in by_state["failed"]:
        logs = sorted((batch.out / ".batch" / "failed" / entry["identity"]).glob("*.log"))
        assert len(logs) == 3
        assert "always fails" in entry["error"]
        assert "Traceback" in logs[-1].read_text()
    counts = batch.executions()
    more_than_once = [name for name, count in counts.items() if count > 1]
    assert len(more_than_once) <= 3 + 1, "only what failed, and what the killed process had in hand"
    assert list((batch.out / ".batch" / "claims").iterdir()) == []
    assert [path for path in batch.out.iterdir() if path.name.endswith((".part", ".partial"))] == []


def test_what_is_done_is_not_done_again_and_new_lines_are_added(tmp_path: Path) -> None:
    batch = StandIns(tmp_path, write_jobs(tmp_path / "jobs.jsonl", 5))
    assert batch.start().wait(60) == 0
    before = {name: (batch.out / name).stat().st_mtime_ns for name in batch.results()}
    write_jobs(tmp_path / "jobs.jsonl", 8)
    assert batch.start().wait(60) == 0
    assert len(batch.results()) == 8
    assert all((batch.out / name).stat().st_mtime_ns == at for name, at in before.items())
    assert set(batch.executions().values()) == {1}
    assert [entry["state"] for entry in batch.report()] == ["done"] * 8
    assert all((batch.out / entry["folder"] / "spec.json").is_file() for entry in batch.report())


def test_without_resume_results_of_earlier_are_refused(tmp_path: Path) -> None:
    batch = StandIns(tmp_path, write_jobs(tmp_path / "jobs.jsonl", 2))
    assert batch.start("--no-resume").wait(60) == 0
    again = batch.start("--no-resume")
    told = again.communicate(timeout=60)[1]
    assert again.returncode == 5
    assert "has 2 of these 2 jobs already" in told


def test_what_was_set_aside_is_tried_again_on_demand(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path / "jobs.jsonl", 3)
    broken = StandIns(tmp_path, jobs, fail_every=3)
    assert broken.start().wait(60) == 6
    assert broken.start().wait(60) == 6
    assert sorted(broken.executions().values()) == [1, 1, 3], "set aside is set aside"
    mended = StandIns(tmp_path, jobs)
    assert mended.start("--retry-failed").wait(60) == 0
    assert [entry["error"] for entry in mended.report()] == [None] * 3


@pytest.mark.slow
def test_ctrl_c_finishes_the_job_at_hand(tmp_path: Path) -> None:
    batch = StandIns(tmp_path, write_jobs(tmp_path / "jobs.jsonl", 50), seconds=0.5)
    process = batch.start()
    wait_for(lambda: sum(batch.executions().values()) == 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(batch.results()) == sum(batch.executions().values()), "what was begun is there"
    states = [entry["state"] for entry in batch.report()]
    assert states.count("done") == len(batch.results())
    assert states.count("waiting") == 50 - len(batch.results())


@pytest.mark.slow
def test_progress_has_a_time_left(tmp_path: Path) -> None:
    batch = StandIns(tmp_path, write_jobs(tmp_path / "jobs.jsonl", 8), seconds=0.5)
    process = batch.start("--json")
    told = [json.loads(line) for line in process.communicate(timeout=60)[0].splitlines()]
    progress = [event for event in told if event["type"] == "progress" and event["job"] == "batch"]
    assert any(event["eta_s"] for event in progress)
    assert (progress[-1]["step"], progress[-1]["steps"]) == (8, 8)


def test_a_disk_that_takes_nothing_ends_the_batch_with_words(tmp_path: Path, capfd) -> None:
    (tmp_path / "out").write_text("a file")
    jobs = write_jobs(tmp_path / "jobs.jsonl", 1)
    assert main(["batch", str(jobs), "--out", str(tmp_path / "out")]) == 5
    assert str(tmp_path / "out") in capfd.readouterr().err


def test_nothing_is_written_for_a_file_with_an_error(tmp_path: Path, capfd) -> None:
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text('{"prompt": "a"}\n\n{"prompt": "b", "steps": 0}\n{"prompt": "c", "model": "no-such"}\n')
    assert main(["batch", str(jobs), "--out", str(tmp_path / "out")]) == 2
    told = capfd.readouterr().err
    assert "jobs.jsonl, line 3: steps = 0" in told
    assert "jobs.jsonl, line 4: model = 'no-such'" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_batch_with_the_real_engine_opens_as_a_library(tmp_path: Path, tiny_folder: Path, capfd) -> None:
    jobs = tmp_path / "jobs.toml"
    jobs.write_text(
        f'[fields]\nmodel = {json.dumps(str(tiny_folder))}\nsteps = 1\nmethod = "multidiffusion"\n'
        'kind = "plate"\nheight = 64\nwidth = 128\n'
        '[matrix]\nprompt = ["a calm sea", "hills"]\nseed = {first = 3, count = 2}\n'
    )
    assert main(["batch", str(jobs), "--out", str(tmp_path / "out")]) == 0
    library = Library(tmp_path / "out")
    library.refresh()
    assert sorted((result.spec.prompt, result.spec.seed) for result in library.results) == [
        ("a calm sea", 3),
        ("a calm sea", 4),
        ("hills", 3),
        ("hills", 4),
    ]
    assert {result.image.name for result in library.results} == {"plate.png"}


@pytest.mark.slow
def test_several_workers_of_one_command(tmp_path: Path, tiny_folder: Path, capfd) -> None:
    quick = {"model": str(tiny_folder), "steps": 1, "method": "multidiffusion", "width": 128, "height": 64}
    jobs = write_jobs(tmp_path / "jobs.jsonl", 4, **quick)
    assert main(["batch", str(jobs), "--out", str(tmp_path / "out"), "--workers", "2"]) == 0
    report = json.loads((tmp_path / "out" / "batch.json").read_text())
    assert [entry["state"] for entry in report] == ["done"] * 4


OPENJD = Path(sys.executable).with_name("openjd")


@pytest.mark.slow
@pytest.mark.skipif(not OPENJD.exists(), reason="no openjd-cli: that a farm's chunks run with one engine")
def test_a_bundle_runs_with_one_engine_for_its_chunks(tmp_path: Path, tiny_folder: Path, capfd) -> None:
    quick = {"model": str(tiny_folder), "steps": 1, "method": "multidiffusion", "width": 128, "height": 64}
    jobs = write_jobs(tmp_path / "jobs.jsonl", 3, **quick)
    bundle = tmp_path / "bundle"
    out = tmp_path / "out"
    assert main(["batch", str(jobs), "--out", str(out), "--write-openjd", str(bundle)]) == 0
    command = [OPENJD, "run", bundle / "template.json", "--step", "Generate", "--job-param", "ChunkSize=2"]
    command += ["--job-param", f"file://{bundle / 'parameters.json'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r"openjd_status: (\d) of \d done by process (\d+)", done.stdout)
    assert [number for number, _ in told] == ["2", "1"]
    assert len({process for _, process in told}) == 1, "the engine stayed"
    assert len(list(out.glob("*/plate.png"))) == 3
    assert main(["batch", str(jobs), "--out", str(out)]) == 0, "all is done already"
    assert [entry["state"] for entry in json.loads((out / "batch.json").read_text())] == ["done"] * 3
