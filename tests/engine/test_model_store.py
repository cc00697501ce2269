# SPDX-License-Identifier: GPL-3.0-or-later
"""The models as Blender's side sees them: listed, fetched, verified and removed by a child process."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from sync_engine.catalog.models import TABLE
from sync_engine.host.model_store import LOG_NAME, ModelAction, ModelRow, ModelStore
from tests.small_models.fake_hub import REVISION, FakeHub, Request
from tests.small_models.hub_fixtures import UNET

PINNED = f"owner/tiny@{REVISION}"
TIMEOUT_S = 300


@pytest.fixture
def store(online: FakeHub, tmp_path: Path):
    """A store whose child asks the hub on this computer."""
    found = ModelStore(sys.executable, tmp_path / "library" / LOG_NAME)
    yield found
    found.stop()


def do(store: ModelStore, action: ModelAction, name: str = "") -> None:
    """Do a piece of work to its end."""
    store.start(action, name)
    assert store.wait(TIMEOUT_S)


def row(store: ModelStore) -> ModelRow | None:
    """Return what is told of the tiny model."""
    return next((found for found in store.rows or () if found.source == "owner/tiny"), None)


def test_the_table_is_listed_with_what_each_model_takes(store: ModelStore) -> None:
    assert store.rows is None
    do(store, ModelAction.LIST)
    assert store.problem is None
    assert [found.name for found in store.rows or ()][: len(TABLE)] == list(TABLE)
    draft, *others = store.rows or ()
    assert draft.bundled
    assert draft.state == "here"
    assert all(found.licence and found.download_gb > 0 and found.state == "absent" for found in others)


@pytest.mark.slow
def test_a_model_is_fetched_verified_found_damaged_and_removed(store: ModelStore, tmp_path: Path) -> None:
    do(store, ModelAction.DOWNLOAD, PINNED)
    assert store.problem is None, store.problem
    found = row(store)
    assert found is not None
    assert found.state == "here"
    do(store, ModelAction.VERIFY, PINNED)
    assert store.problem is None, store.problem

    weights = Path(found.folder) / UNET
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    do(store, ModelAction.VERIFY, PINNED)
    assert store.problem is not None
    assert "is damaged" in store.problem.message
    assert UNET in store.problem.message
    assert "download it again" in store.problem.hint

    do(store, ModelAction.REMOVE, PINNED)
    assert store.problem is None, store.problem
    assert any("are free now" in note for note in store.notes), store.notes
    assert row(store) is None
    assert not list((tmp_path / "models").glob("owner--tiny*"))
    do(store, ModelAction.REMOVE, PINNED)
    assert store.problem is not None
    assert "is not on this computer" in store.problem.message


@pytest.mark.slow
def test_a_cancelled_download_goes_on_where_it_was(store: ModelStore, online: FakeHub) -> None:
    def slowly(request: Request) -> bool:
        content = (online.folder / UNET).read_bytes()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2])
        request.wfile.flush()
        time.sleep(20)
        request.close_connection = True
        return True

    online.faults[UNET] = [slowly]
    store.start(ModelAction.DOWNLOAD, PINNED)
    end = time.monotonic() + TIMEOUT_S
    while not online.fetched(UNET):
        assert time.monotonic() < end, store.problem
        time.sleep(0.05)
    time.sleep(1.0)
    assert store.action is ModelAction.DOWNLOAD
    store.cancel()
    assert store.wait(TIMEOUT_S)
    assert store.problem is None, store.problem
    found = row(store)
    assert found is not None
    assert found.state == "partly"
    do(store, ModelAction.DOWNLOAD, PINNED)
    assert store.problem is None, store.problem
    found = row(store)
    assert found is not None
    assert found.state == "here"


def test_without_online_access_a_download_says_so(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    do(store, ModelAction.DOWNLOAD, PINNED)
    assert store.problem is not None
    assert "online access is off" in store.problem.message


def test_a_python_that_cannot_run_the_engine_is_told(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "nowhere", tmp_path / LOG_NAME)
    do(store, ModelAction.LIST)
    assert store.problem is not None
    assert "does not exist" in store.problem.message
    store = ModelStore(sys.executable, tmp_path / LOG_NAME, engine_root=tmp_path)
    do(store, ModelAction.LIST)
    assert store.problem is not None
    assert "own files are not in" in store.problem.message


def test_nothing_else_than_events_is_written(online: FakeHub, capfd: pytest.CaptureFixture[str]) -> None:
    from sync_engine.__main__ import main

    assert main(["models", "verify", "--json", PINNED]) != 0
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["progress", "failed"]
