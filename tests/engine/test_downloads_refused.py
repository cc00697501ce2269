# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads that are refused: bad weights, missing parts, no space, no network, models of no use."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
from pathlib import Path

import pytest

from sync_engine.catalog import safetensors_header
from sync_engine.downloads import hub
from tests.small_models.fake_hub import FakeHub
from tests.small_models.hub_fixtures import PINNED, UNET, nothing_is_installed

ROOT = Path(__file__).parents[2]


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
    write = safetensors_header.check_start

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
