# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub on this computer with a tiny model, and the command that downloads from it."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from sync_engine.catalog import models
from sync_engine.cli import models as models_command
from sync_engine.downloads import hub, store
from tests.small_models.fake_hub import REVISION, FakeHub

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
        status = models_command.run_download(
            given.model, given.model, seen.append, lambda: False, given.endpoint, given.allow_unpinned
        )
        return status, [{"type": event.type, **vars(event)} for event in seen]

    return run


def nothing_is_installed(tmp_path: Path) -> bool:
    folders = [path for path in (tmp_path / "models").glob("*/*") if not path.name.startswith(".")]
    return not folders and store.installed(models.find(PINNED)) is None
