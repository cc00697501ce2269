"""Downloads from a hub on this computer: whole or not at all, through every kind of interruption."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from sync_engine import models
from sync_engine.downloads import commands, fetch, headers, hub, store
from sync_engine.errors import JobCancelled
from tests.engine.fake_hub import REVISION, FakeHub

ROOT = Path(__file__).parents[2]
PINNED = f"owner/tiny@{REVISION}"
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def repository(tiny_folder: Path, tmp_path: Path) -> Path:
    """A model as people upload it: with pickles and a README beside what is needed."""
    folder = tmp_path / "repository"
    shutil.copytree(tiny_folder, folder)
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps([1.0] * 1000))
    (folder / "README.md").write_text("A tiny model")
    return folder


@pytest.fixture
def online(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The hub, an empty models folder, and short pauses."""
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub, "WAITS_S", (0.01, 0.01))
    monkeypatch.setattr(hub, "CHUNK_BYTES", 256)
    with FakeHub(repository) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


@pytest.fixture
def events():
    """Run ``models download --json`` and return its exit status and events."""

    def run(*options: str) -> tuple[int, list[dict]]:
        seen: list = []
        parsed = ["models", "download", *options]
        from sync_engine.__main__ import parser

        given = parser().parse_args(parsed)
        status = commands.run_download(
            given.model, given.model, seen.append, lambda: False, given.endpoint, given.allow_unpinned
        )
        return status, [{"type": event.type, **vars(event)} for event in seen]

    return run


def nothing_is_installed(tmp_path: Path) -> bool:
    folders = [path for path in (tmp_path / "models").glob("*/*") if not path.name.startswith(".")]
    return not folders and store.installed(models.find(PINNED)) is None


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
    assert all(problem == "" for _, problem in commands.verified(models.find(PINNED)))
    before = len(online.hub_requests)
    assert events(PINNED)[0] == 0
    assert len(online.hub_requests) == before, "what is here was asked for again"


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
    assert all(problem == "" for _, problem in commands.verified(models.find(PINNED)))


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
    row = next(row for row in commands.overview() if row["source"] == "owner/tiny")
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


def spoiled(kind: str, content: bytes) -> bytes:
    """Return bad weights as an owner might upload them, honestly listed."""
    return {
        "pickle": pickle.dumps({"weight": [1.0] * 500}),
        "truncated": content[:-100],
        "huge header": struct.pack("<Q", 90 * 2**20) + b"{" + bytes(2000),
        "empty": b"",
    }[kind]


@pytest.mark.parametrize(
    ("kind", "told_of"),
    [("pickle", "a pickle"), ("truncated", "cut off"), ("huge header", "90 MiB"), ("empty", "cut off")],
)
def test_bad_weights_are_refused(
    online: FakeHub, events, repository: Path, tmp_path: Path, kind: str, told_of: str
) -> None:
    weights = repository / UNET
    weights.write_bytes(spoiled(kind, weights.read_bytes()))
    status, told = events(PINNED)
    assert status == 3
    assert told_of in told[-1]["message"]
    assert Path(UNET).name in told[-1]["message"]
    assert nothing_is_installed(tmp_path)
    assert not list((tmp_path / "models").rglob("*.safetensors*")), "refused weights stayed on the disk"


def test_a_pickle_is_refused_at_its_first_bytes(online: FakeHub, events, repository: Path) -> None:
    (repository / UNET).write_bytes(pickle.dumps(b"x" * 2**22))
    sent: list[int] = []
    write = headers.check_start

    def counting(start: bytes, size: int, name: str) -> None:
        sent.append(len(start))
        write(start, size, name)

    hub.check_start, before = counting, hub.check_start
    try:
        assert events(PINNED)[0] == 3
    finally:
        hub.check_start = before
    assert sent[-1] <= 256, "more than a first chunk was taken before it was looked at"


def test_content_that_is_not_what_was_announced(online: FakeHub, events, repository: Path, tmp_path) -> None:
    content = bytearray((repository / UNET).read_bytes())
    content[-1] ^= 1
    online.faults[UNET] = [lambda request: request.answer(200, bytes(content)) or True]
    status, told = events(PINNED)
    assert status == 3
    assert "other content" in told[-1]["message"]
    assert nothing_is_installed(tmp_path)
    assert events(PINNED)[0] == 0, "the next run did not fetch it again"


def test_a_missing_part(online: FakeHub, events, repository: Path, tmp_path: Path) -> None:
    shutil.rmtree(repository / "vae")
    status, told = events(PINNED)
    assert (status, "vae" in told[-1]["message"]) == (3, True)
    (repository / "vae").mkdir()
    (repository / "vae" / "config.json").write_text("{}")
    (repository / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"x")
    status, told = events(PINNED)
    assert (status, "safetensors" in told[-1]["message"]) == (3, True)
    assert nothing_is_installed(tmp_path)


def test_no_space_is_told_before_anything_is_fetched(online: FakeHub, events, tmp_path, monkeypatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    status, told = events(PINNED)
    assert status == 3
    assert "free" in told[-1]["message"]
    assert online.fetched(UNET) == []
    assert nothing_is_installed(tmp_path)


def test_offline_asks_nobody_and_still_uses_what_is_here(online: FakeHub, events, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    status, told = events(PINNED)
    assert status == 3
    assert "online access" in told[-1]["message"].lower()
    assert online.hub_requests == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert events(PINNED)[0] == 0
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert events(PINNED)[0] == 0


def test_no_network_and_something_that_is_no_hub(online: FakeHub, events, tmp_path: Path) -> None:
    online.always = lambda request: request.answer(200, b"<html>Sign in to the hotel</html>") or True
    status, told = events(PINNED)
    assert (status, "does not answer as a hub" in told[-1]["message"]) == (3, True)
    status, told = events(PINNED, "--endpoint", "http://127.0.0.1:9")  # nobody listens there
    assert (status, "http://127.0.0.1:9" in told[-1]["message"]) == (3, True)
    status, told = events(PINNED, "--endpoint", "not an address")
    assert (status, "not an address" in told[-1]["message"]) == (3, True)
    assert nothing_is_installed(tmp_path)


def test_a_mirror_never_gets_the_users_token(online: FakeHub, events, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert events(PINNED)[0] == 0
    assert set(online.tokens) == {None}


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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_class_name": "FluxPipeline"}, "the family FluxPipeline"),
        ({"_class_name": "Flux2KleinPipeline"}, "no transformer"),
        ({"unet": ["diffusers", "UNet1DModel"]}, "unet of class UNet1DModel"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_before_its_weights_are_fetched(
    online: FakeHub, events, repository: Path, tmp_path: Path, change: dict, words: str
) -> None:
    index = repository / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | change))
    status, told = events(PINNED)
    assert status == 3
    assert words in told[-1]["message"]
    assert not online.fetched(UNET)
    assert nothing_is_installed(tmp_path)
