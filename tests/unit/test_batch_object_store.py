# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of a batch in object storage: a marker comes last, words for what cannot be used."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

pytest.importorskip("fsspec", reason="no fsspec: whether results in object storage are whole or not there")

import fsspec

from benchmarks.stand_in_engine import VARIABLE, StandIn
from sync_engine.batch import object_store
from sync_engine.batch.object_store import StoredResults
from sync_engine.batch.plan import Plan, write_plan
from sync_engine.batch.runner import Runner
from sync_engine.cli import batch
from sync_engine.common.errors import EngineError, OutputError


@pytest.fixture(autouse=True)
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of this machine lie in the test's own."""
    monkeypatch.setattr(object_store, "local_folder", lambda url: tmp_path / "here")
    monkeypatch.setenv(
        VARIABLE, json.dumps({"seconds": 0, "fail_every": 3, "executions": str(tmp_path / "ran")})
    )
    return tmp_path


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    jobs = tmp_path / "jobs.jsonl"
    lines = ({"prompt": "a", "kind": "plate", "seed": seed} for seed in range(1, 5))
    jobs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Plan(write_plan(jobs, tmp_path))


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An address in memory that no other test has."""
    return f"memory://{tmp_path.name}/worlds"


def test_results_are_files_and_a_marker(plan: Plan, url: str, tmp_path: Path) -> None:
    with StoredResults(url) as folder:
        state = Runner(plan, folder, StandIn()).run()
        assert (state.done, state.failed) == (3, 1)
        assert folder.results() == set(plan.identities) - {plan.identities[2]}
    store = fsspec.filesystem("memory")
    root = url.removeprefix("memory:/")
    files = {path.removeprefix(f"{root}/") for path in store.find(root)}
    first = plan.identities[0]
    assert {f"{first}/plate.png", f"{first}/preview.png", f"{first}/spec.json", f"done/{first}"} <= files
    assert len([path for path in files if path.startswith(f"failed/{plan.identities[2]}/")]) == 3
    assert not any(path.startswith(plan.identities[2]) for path in files)

    ran = (tmp_path / "ran").read_text()
    with StoredResults(url) as folder:
        assert Runner(plan, folder, StandIn()).run().done == 3
    assert (tmp_path / "ran").read_text() == ran, "nothing is made again"


def test_a_broken_upload_leaves_no_result(
    plan: Plan, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"

    def make() -> Path:
        made.mkdir()
        for name in ("plate.png", "preview.png", "spec.json"):
            (made / name).write_text(name)
        return made

    with StoredResults(url) as folder:
        put = folder._fs.put_file

        def broken(source: str, target: str) -> None:
            if target.endswith("spec.json"):
                raise OSError("the connection was reset")
            put(source, target)

        monkeypatch.setattr(folder._fs, "put_file", broken)
        with pytest.raises(OutputError, match="cannot be written"):
            folder.publish("a" * 40, make())
        assert folder.results() == set()
        assert not folder.has("a" * 40)
        monkeypatch.undo()
        monkeypatch.setattr(object_store, "local_folder", lambda url: tmp_path / "here")
        assert folder.publish("a" * 40, made)
        assert folder.results() == {"a" * 40}
        assert not folder.publish("a" * 40, make()), "the first stays"


def test_the_command_writes_plan_and_report_there(plan: Plan, tmp_path: Path) -> None:
    store = tmp_path / "store"
    parser = argparse.ArgumentParser()
    batch.add_parser(parser.add_subparsers())
    arguments = ["batch", str(tmp_path / "jobs.jsonl"), "--out", store.as_uri()]
    assert batch.run(parser.parse_args(arguments), StandIn) == 6
    states = [entry["state"] for entry in json.loads((store / "batch.json").read_text())]
    assert states.count("done") == 3
    assert "preview.png" in (store / "contact.html").read_text()
    assert (store / plan.path.name).read_bytes() == plan.path.read_bytes()
    with StoredResults(store.as_uri()) as folder:
        (tmp_path / "here" / ".batch" / plan.path.name).unlink()
        assert len(Plan(folder.plan(Path("/elsewhere") / plan.path.name))) == 4


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    assert object_store.is_url("s3://bucket/worlds")
    assert not object_store.is_url(Path("C:/worlds"))
    with pytest.raises(EngineError, match="cannot be used"):
        object_store.file_system("nothing://bucket")
