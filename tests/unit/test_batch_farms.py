# SPDX-License-Identifier: GPL-3.0-or-later
"""What farms get of a batch: Flamenco's tasks, Open Job Description's bundle, the session beside them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmarks.stand_in_engine import StandIn
from sync_engine.batch import openjd, session
from sync_engine.batch.jobs_file import JobsFileError
from sync_engine.batch.plan import Plan, write_plan
from sync_engine.common.errors import EngineError

ROOT = Path(__file__).parents[2]
OPENJD = Path(sys.executable).with_name("openjd")
ALLOWED = {"key", "type", "subtype", "required", "default", "propargs", "description", "visible"}
"""What a setting of a Flamenco job type may say, of what is used here."""
SCRIPT = ROOT / "integrations" / "flamenco" / "syncscape-batch.js"


def plan_of(home: Path, count: int) -> Plan:
    jobs = home / "jobs.jsonl"
    lines = ({"prompt": "a", "kind": "plate", "seed": seed} for seed in range(1, count + 1))
    jobs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Plan(write_plan(jobs, home / "plans"))


# --- Flamenco ----------------------------------------------------------------------------------


def compiled(**settings: object) -> dict:
    """Return what the script makes of a job, with its defaults where a setting is left out."""
    if shutil.which("node") is None:
        pytest.skip("no node: what Flamenco's job type compiles to")
    defaults = {
        "tasks": 4,
        "workers_per_task": 1,
        "python": "{syncscape-python}",
        "engine": "{syncscape-engine}",
    }
    command = ["node", ROOT / "tests" / "flamenco_contract.js", SCRIPT, json.dumps({**defaults, **settings})]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def test_flamenco_knows_every_setting() -> None:
    told = compiled(jobs="/s/jobs.toml", out="/s/out")["job_type"]
    settings = {setting["key"]: setting for setting in told["settings"]}
    assert [key for key, setting in settings.items() if setting.get("required")] == ["jobs", "out"]
    kinds = {"string": str, "int32": int, "float": float, "bool": bool}
    for key, setting in settings.items():
        assert set(setting) <= {
            "key",
            "type",
            "subtype",
            "required",
            "default",
            "propargs",
            "description",
            "visible",
        }
        assert "default" not in setting or isinstance(setting["default"], kinds[setting["type"]]), key
        assert setting.get("subtype", "file_path") in ("file_path", "dir_path", "hashed_file_path")
    assert told["label"]


def test_flamenco_compiles_one_task_a_worker() -> None:
    tasks = compiled(jobs="/s/my jobs.toml", out="/s/out", tasks=3, workers_per_task=2)["tasks"]
    assert [task["name"] for task in tasks] == ["environments-1", "environments-2", "environments-3"]
    for task in tasks:
        ((name, parameters),) = [(command["name"], command["parameters"]) for command in task["commands"]]
        assert (task["type"], task["dependencies"], name) == ("misc", [], "exec")
        assert parameters["exe"] == "{syncscape-python}"
        assert parameters["args"][2:] == [
            "{syncscape-engine}",
            *("batch", "/s/my jobs.toml", "--out", "/s/out", "--workers", "2"),
        ]


def test_the_command_of_flamenco_reaches_the_engine(tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text('{"prompt": ""}\n')
    settings = {"jobs": str(tmp_path / "jobs.jsonl"), "out": str(tmp_path / "out"), "tasks": 1}
    (task,) = compiled(**settings, python=sys.executable, engine=str(ROOT))["tasks"]
    given = task["commands"][0]["parameters"]
    done = subprocess.run(
        [given["exe"], *given["args"]], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "jobs.jsonl, line 1: prompt = '': empty" in done.stderr


# --- Open Job Description ------------------------------------------------------------------------


def test_a_bundle_has_all_that_a_farm_needs(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 3)
    path = openjd.write_bundle(tmp_path / "bundle", plan, tmp_path / "out")
    assert (path.parent / "plan.jsonl").read_bytes() == plan.path.read_bytes()
    wanted = {item["name"] for item in json.loads(path.read_text())["parameterDefinitions"]}
    values = json.loads((path.parent / "parameters.json").read_text())
    assert set(values) <= wanted
    listed = json.loads((path.parent / "parameter_values.json").read_text())["parameterValues"]
    assert {item["name"]: item["value"] for item in listed} == values


@pytest.mark.skipif(not OPENJD.exists(), reason="no openjd-cli: whether the bundle's template is valid")
def test_the_template_is_valid(tmp_path: Path) -> None:
    path = openjd.write_bundle(tmp_path / "bundle", plan_of(tmp_path, 3), tmp_path / "out")
    done = subprocess.run([OPENJD, "check", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passes validation" in done.stdout


def test_ranges() -> None:
    assert openjd.numbers_of("0-3") == [0, 1, 2, 3]
    assert openjd.numbers_of("7") == [7]
    assert openjd.numbers_of("0-8:4, 11") == [0, 4, 8, 11]
    for wrong in ("", "a", "3-", "0-8:0", "-1"):
        with pytest.raises(JobsFileError, match="not a range"):
            openjd.numbers_of(wrong)


# --- the session ---------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A session with a stand-in in a thread of this process; counts its engines."""
    monkeypatch.setenv("SYNCSCAPE_STAND_IN", '{"seconds": 0, "fail_every": 4}')
    engines = []

    def make_engine() -> StandIn:
        engines.append(1)
        return StandIn()

    thread = threading.Thread(target=session.serve, args=(tmp_path, make_engine), daemon=True)
    monkeypatch.setattr(session, "_end_with", lambda file: None)
    thread.start()
    end = time.monotonic() + 30
    while not (tmp_path / session.FILE).exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    yield engines
    session.stop(tmp_path)
    thread.join(30)
    assert not thread.is_alive()


def test_a_session_keeps_one_engine_for_all_chunks(tmp_path: Path, served: list[int]) -> None:
    plan = plan_of(tmp_path, 6)
    request = {"plan": str(plan.path), "out": str(tmp_path / "out"), "stale_after": 60.0}
    states: list = []
    first = session.ask(tmp_path, request | {"numbers": [0, 1, 2]}, states.append)
    second = session.ask(tmp_path, request | {"numbers": [3, 4, 5]}, states.append)
    assert (first["status"], second["status"]) == (0, session.SOME_FAILED)
    assert "always fails" in second["words"]
    assert len(served) == 1
    assert states[-1].over
    assert len(list((tmp_path / "out").glob("*/spec.json"))) == 5
    bad = session.ask(tmp_path, request | {"plan": "absent", "numbers": [0]}, states.append)
    assert bad["status"] == 2
    mode = (tmp_path / session.FILE).stat().st_mode & 0o777
    assert mode == 0o600, "the key is its user's alone"


def test_a_session_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="does not answer"):
        session.ask(tmp_path, {}, lambda state: None)
    session.stop(tmp_path)  # nothing to end
