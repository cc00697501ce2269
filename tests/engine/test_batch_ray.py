# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch on Ray: an embedded one, actors that die, jobs of a model together, words where there is none."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from sync_engine.batch import on_ray
from sync_engine.batch.plan import Plan, write_plan
from sync_engine.common.errors import EngineError
from tests.engine.batch_jobs import StandIns, write_jobs


def plan_of(home: Path, precisions: str) -> Plan:
    """Return a plan with one job a letter; each letter is a model of its own."""
    kinds = {"a": "fp32", "b": "bf16", "c": "auto"}
    lines = ({"prompt": "x", "seed": n, "precision": kinds[letter]} for n, letter in enumerate(precisions))
    (home / "jobs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Plan(write_plan(home / "jobs.jsonl", home))


def test_an_actor_goes_on_with_its_model(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "abcabaabcc")
    queue = on_ray.JobQueue(plan)
    for number in plan.by_group():
        queue.add(number)
    first, second = queue.next_for(-1, [-1, -1]), queue.next_for(-1, [plan.groups[0], -1])
    assert (first, second) == (0, 1), "the largest group, then the largest that nobody is at"
    a, b, c = plan.groups[0], plan.groups[1], plan.groups[2]
    assert [queue.next_for(a, [a, b]) for _ in range(3)] == [3, 5, 6]
    assert queue.next_for(a, [a, b]) == 2, "the model that nobody has"
    assert [queue.next_for(c, [c, b]) for _ in range(2)] == [8, 9]
    assert queue.next_for(c, [c, b]) == 4, "its own are done: it helps the other"
    assert [queue.next_for(b, [c, b]), queue.next_for(b, [c, b])] == [7, None]
    assert len(queue) == 0


def test_without_ray_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match="has no ray") as told:
        on_ray.connect("ray", on_ray.Placement())
    assert "requirements/ray.txt" in told.value.hint


@pytest.mark.slow
def test_every_job_is_made_once_though_an_actor_dies(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="no ray: whether an embedded one makes every job once")
    from benchmarks.batch import actors_of

    jobs = write_jobs(tmp_path / "jobs.jsonl", 60)
    batch = StandIns(tmp_path, jobs, fail_every=20, seconds=0.2)
    driver = batch.start("--on", "ray", "--workers", "2")
    end = time.monotonic() + 300
    while len(batch.results()) < 10:
        assert time.monotonic() < end, "it never began"
        assert driver.poll() is None, driver.communicate()[1]
        time.sleep(0.05)
    actors = actors_of(driver.pid)
    assert len(actors) == 2
    actors[0].kill()
    told = driver.communicate(timeout=300)[1]
    assert driver.returncode == 6, told
    states = [entry["state"] for entry in batch.report()]
    assert (states.count("done"), states.count("failed")) == (57, 3)
    assert batch.results() == sorted(entry["identity"] for entry in batch.report() if entry["folder"])
    failed = {entry["identity"] for entry in batch.report() if entry["state"] == "failed"}
    again = [name for name, count in batch.executions().items() if count > 1 and name not in failed]
    assert len(again) <= 1, "what the dead actor was making"
    assert list((batch.out / ".batch" / "claims").iterdir()) == []
