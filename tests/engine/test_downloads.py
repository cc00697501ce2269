# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads from a hub on this computer: whole or not at all, through every kind of interruption."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sync_engine.catalog import models
from sync_engine.common.errors import JobCancelled
from sync_engine.downloads import fetch, inventory, store
from tests.small_models.fake_hub import REVISION, FakeHub
from tests.small_models.hub_fixtures import PINNED, UNET, nothing_is_installed

ROOT = Path(__file__).parents[2]


def test_a_model_arrives_whole_and_is_used(online: FakeHub, events, tmp_path: Path) -> None:
    status, told = events(PINNED)
    assert status == 0, told
    folder = Path(told[-1]["files"]["folder"])
    assert folder == tmp_path / "models" / "owner--tiny" / REVISION
    steps = [event for event in told if event["type"] == "progress"]
    assert {event["stage"] for event in steps} == {"download"}
    assert steps[-1]["step"] <= steps[-1]["steps"]
    assert not list(folder.rglob("*.bin")), "a pickle was fetched"
    assert not list(folder.rglob("*.part"))
    assert not list(folder.parent.glob(".*.partial"))
    assert all(problem == "" for _, problem in inventory.verified(models.find(PINNED)))
    before = len(online.hub_requests)
    assert events(PINNED)[0] == 0
    assert len(online.hub_requests) == before, "what is here was asked for again"


@pytest.mark.slow
def test_it_generates_from_a_pinned_model_that_is_not_here_yet(
    online: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "sync_engine", "generate", "--json", "--prompt", "a", "--model", PINNED]
    command += ["--steps", "1", "--method", "multidiffusion", "--width", "256", "--out", str(tmp_path / "w")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    told = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, told[-1]
    assert "download" in [event.get("stage") for event in told]
    assert (tmp_path / "w" / "world.exr").is_file()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_breaks_goes_on(online: FakeHub, events, repository: Path, ranges: bool) -> None:
    content = (repository / UNET).read_bytes()
    online.knows_ranges = ranges
    online.faults[UNET] = [lambda request: request.cut(content, len(content) // 2) or True]
    assert events(PINNED)[0] == 0
    first, second = online.fetched(UNET)
    assert first == ""
    assert second.startswith("bytes=")
    assert int(second[6:-1]) > 0
    assert all(problem == "" for _, problem in inventory.verified(models.find(PINNED)))


def test_a_download_that_was_stopped_goes_on_in_the_next_run(
    online: FakeHub, events, repository: Path, tmp_path: Path
) -> None:
    size = (repository / UNET).stat().st_size

    def stop_half_way() -> None:
        part = next((tmp_path / "models").rglob(f"{Path(UNET).name}.part"), None)
        if part is not None and part.parent.name == "unet" and part.stat().st_size > size / 2:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        fetch.download(models.find(PINNED), check=stop_half_way)
    assert nothing_is_installed(tmp_path)
    row = next(row for row in inventory.overview() if row["source"] == "owner/tiny")
    assert row["state"] == "partly"
    assert row["fetched_gb"] >= 0
    online.hub_requests.clear()
    assert events(PINNED)[0] == 0
    (span,) = online.fetched(UNET)
    assert int(span.removeprefix("bytes=").removesuffix("-")) > size / 2
    assert online.fetched("vae/config.json") == [], "a file that was here was fetched again"


def test_server_errors_pass_or_are_told(online: FakeHub, events, tmp_path: Path) -> None:
    online.faults[UNET] = [lambda request: request.answer(500, b"") or True] * 2
    assert events(PINNED)[0] == 0
    assert len(online.fetched(UNET)) == 3
    store.remove("owner/tiny")
    online.faults[UNET] = [lambda request: request.answer(500, b"") or True] * 9
    status, told = events(PINNED)
    assert status == 3
    assert "500" in told[-1]["message"]
    assert nothing_is_installed(tmp_path)


@pytest.mark.parametrize(
    ("status", "code", "told_of"),
    [
        (401, "GatedRepo", "gated"),
        (403, "GatedRepo", "gated"),
        (403, "", "gated"),
        (404, "EntryNotFound", "404"),
    ],
)
def test_gated_and_missing_files(
    online: FakeHub, events, tmp_path: Path, status: int, code: str, told_of: str
) -> None:
    online.faults[UNET] = [lambda request: request.answer(status, b"", {"X-Error-Code": code}) or True]
    exit_status, told = events(PINNED)
    assert exit_status == 3
    assert told[-1]["code"] == "model_not_available"
    assert told_of in told[-1]["message"]
    assert told[-1]["hint"]
    assert len(online.fetched(UNET)) == 1, "it is of no use to ask again"
    assert nothing_is_installed(tmp_path)


@pytest.mark.slow
def test_an_unknown_repository_and_an_unknown_revision(online: FakeHub, events) -> None:
    status, told = events(f"owner/absent@{REVISION}")
    assert (status, "owner/absent" in told[-1]["message"]) == (3, True)
    status, told = events(f"owner/tiny@{'a' * 40}")
    assert (status, "revision" in told[-1]["message"]) == (3, True)
    status, told = events("owner/tiny@main")
    assert (status, "40" in told[-1]["hint"]) == (3, True)


def test_an_unpinned_model_needs_consent(online: FakeHub, events) -> None:
    status, told = events("owner/tiny")
    assert status == 3
    assert "--allow-unpinned" in told[-1]["hint"]
    assert online.hub_requests == []
    status, told = events("owner/tiny", "--allow-unpinned")
    assert status == 0
    assert Path(told[-1]["files"]["folder"]).name == REVISION


def test_verify_finds_what_changed_and_remove_frees_it(
    online: FakeHub, events, capsys, tmp_path: Path
) -> None:
    from sync_engine.__main__ import main

    assert events(PINNED)[0] == 0
    folder = store.installed(models.find(PINNED))
    assert folder is not None
    assert main(["models", "verify"]) == 0
    content = bytearray((folder / UNET).read_bytes())
    content[-1] ^= 1
    (folder / UNET).write_bytes(content)
    (folder / "vae" / "config.json").unlink()
    assert main(["models", "verify", PINNED]) == 3
    told = capsys.readouterr().out
    assert f"{UNET}: its content has changed" in told
    assert "vae/config.json: cannot be read" in told
    assert main(["models", "remove", PINNED]) == 0
    assert nothing_is_installed(tmp_path)
    assert list((tmp_path / "models").glob("[!.]*")) == []
    assert main(["models", "remove", PINNED]) == 3
    assert main(["models", "remove", "draft"]) == 3
    assert main(["models", "verify", PINNED]) == 3


def test_list_says_what_is_here(online: FakeHub, events, capsys) -> None:
    from sync_engine.__main__ import main

    assert events("owner/tiny", "--allow-unpinned")[0] == 0
    assert main(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["draft"]["state"] == "here"
    assert rows["sd-1.5"]["state"] == "absent"
    assert rows["sd-1.5"]["pinned"]
    for name in ("z-image-turbo", "flux2-klein"):
        assert (rows[name]["state"], rows[name]["licence"], rows[name]["pinned"]) == (
            "absent",
            "Apache-2.0",
            True,
        )
        assert (rows[name]["steps"], rows[name]["window"]) == (models.TABLE[name].steps, 1024)
    assert rows["owner/tiny"]["state"] == "here"
    assert not rows["owner/tiny"]["pinned"]
    main(["models", "list"])
    words = capsys.readouterr().out
    assert "bundled" in words
    assert "unpinned" in words
    assert "flux2-klein" in words


def test_two_downloads_do_not_write_into_one_file(online: FakeHub, events, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "models").mkdir()
    with FileLock(tmp_path / "models" / f".owner--tiny.{REVISION}.partial.lock"):
        status, told = events(PINNED)
    assert (status, "another process" in told[-1]["message"]) == (3, True)
    assert events(PINNED)[0] == 0
