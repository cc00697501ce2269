# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole jobs with a small flow-matching model, and folders that are broken in one place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from sync_engine.backbones.loading import load
from sync_engine.catalog import models
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.progress import Reporter
from sync_engine.interface.messages import Event
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime.job import Engine
from sync_engine.sync.methods import METHODS

KINDS = ("sphere", "ring", "plate")
CASES = [
    (kind, name)
    for kind in KINDS
    for name, method in METHODS.items()
    if {"ring": "equirectangular"}.get(kind, kind) in method.canvases
]
"""What is to be made, with which method; not every method can paint a sphere."""


def row(folder: Path, window: int) -> models.Model:
    """Return a row of the table for a folder, with the side of its windows in pixels."""
    return models.Model(
        name="small", source=str(folder), title="Small", licence="none", steps=2, guidance=1.0, window=window
    )


def check(
    folder: Path,
    window: int,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    method: str,
    height: int = 128,
    width: int = 256,
    guidance: float | None = None,
) -> list[Event]:
    """Make a picture several windows wide, look at what was written, and return what the job told."""
    monkeypatch.setitem(models.TABLE, "small", row(folder, window))
    spec = EnvironmentSpec(
        "a calm sea",
        kind="plate" if kind == "plate" else "world",
        projection="equirectangular" if kind == "ring" else "sphere",
        width=width,
        height=height if kind == "plate" else None,
        method=method,
        model="small",
        device="cpu",
        precision="fp32",
        guidance=guidance,
        sync_steps=1,
        seed=3,
    )
    told: list[Event] = []
    files, _ = Engine().run(spec, out, Reporter("job", told.append))
    assert Path(files["image"]).stat().st_size > 1000
    record = json.loads(Path(files["spec"]).read_text())["spec"]
    assert record["steps"] == 2
    assert record["guidance"] == 1.0 or guidance is not None
    return told


def broken(healthy: Path, folder: Path, change: dict) -> Path:
    """Copy a model's folder and change its ``model_index.json``."""
    shutil.copytree(healthy, folder)
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | change))
    return folder


def check_refused(folder: Path, words: str) -> None:
    """Loading must fail with an error that has these words, names the folder and says what to do."""
    with pytest.raises(ModelNotAvailable, match=words) as refused:
        load(models.find(str(folder)), torch.device("cpu"), torch.float32)
    assert str(folder) in refused.value.message
    assert refused.value.hint
