# SPDX-License-Identifier: GPL-3.0-or-later
"""Models made to do harm and hubs that lie: refused in words, nothing runs, no pickle is opened."""

from __future__ import annotations

import functools
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from sync_engine.backbones.loading import load
from sync_engine.catalog import models
from sync_engine.catalog.model_folder import PICKLES
from sync_engine.common.errors import EngineError
from sync_engine.common.progress import Reporter
from sync_engine.downloads import fetch, hub, store
from tests.faults.trials import harmed
from tests.small_models import tiny
from tests.small_models.evil_models import KINDS, Evil
from tests.small_models.fake_hub import REVISION, FakeHub, Request

LONGEST_S = 60.0
"""Of processor time: no header, tokenizer or configuration may take so long."""
MAGIC = (b"GGUF\3\0\0\0", b"\x80\x04\x95", b"PK\3\4", b"\x93NUMPY", b"", b"<!doctype html>", b"\xff" * 8)
"""What stands at the beginning of other files that people call models."""
_opened: list[str] | None = None


def _on_audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is None:
        return
    reads = event == "open" and not (isinstance(arguments[1], str) and "w" in arguments[1])
    if (reads and Path(str(arguments[0])).suffix in PICKLES) or event == "pickle.find_class":
        _opened.append(f"{event} {arguments[0]}")


sys.addaudithook(_on_audit)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Give the pickles that are opened meanwhile."""
    global _opened
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


@functools.cache
def _small() -> Path:
    return tiny.build(Path(tempfile.mkdtemp(prefix="faults-model-")) / "model")


def evil_model(chance: random.Random, folder: Path) -> str | None:
    """One or two harms to a model's folder: it is refused in words or loads; no code runs."""
    evil = Evil(_small(), folder)
    kinds = chance.sample(sorted(KINDS), chance.randint(0, 2))
    try:
        for kind in kinds:
            KINDS[kind][0](evil)
    except (OSError, StopIteration, ValueError):  # the first has taken away what the second would change
        pass
    files = sorted(path for path in evil.folder.rglob("*") if path.is_file() and path.stat().st_size < 2**24)
    if not kinds or chance.random() < 0.5:
        file = chance.choice(files)
        data = file.read_bytes()
        head = data[:2000] if chance.random() < 0.7 else chance.choice(MAGIC) + data[8:2000]
        file.write_bytes(harmed(head, chance) + data[2000:])
        kinds.append(f"harmed {file.relative_to(evil.folder)}")
    begun = time.process_time()
    with watched() as opened:
        try:
            load(models.find(str(evil.folder)), torch.device("cpu"), torch.float32)
        except EngineError as error:
            if not error.hint:
                return f"{kinds}: no remedy in {error}"
    if evil.sentinel.exists() or opened:
        return f"{kinds}: code has run, or a pickle was opened: {opened}"
    spent = time.process_time() - begun
    return f"{kinds}: {spent:.0f} s" if spent > LONGEST_S else None


def lying_hub(chance: random.Random, folder: Path) -> str | None:
    """A hub that cuts, lies, stalls or leaves: the model is here whole, or words and nothing installed."""
    told: list[str] = []

    def fault(request: Request) -> bool:
        if chance.random() > 0.3:
            return False
        kind = chance.randrange(7)
        told.append(str(kind))
        if kind == 0:
            request.close_connection = True
        elif kind == 1:
            request.cut(b"x" * 5000, chance.randrange(5000))
        elif kind == 2:
            request.answer(chance.choice((401, 403, 404, 416, 429, 500, 503)), b"no")
        elif kind == 3:
            request.answer(200, harmed(b'{"id": "owner/tiny", "sha": "' + REVISION.encode() + b'"}', chance))
        elif kind == 4:
            request.answer(200, b"<html>sign in</html>", {"Content-Type": "text/html"})
        elif kind == 5:
            request.answer(302, b"", {"Location": chance.choice(("/nowhere", "http://127.0.0.1:9/x"))})
        else:
            time.sleep(0.05)
            return False
        return True

    environment = {store.FOLDER_VARIABLE: str(folder / "models"), "HF_HUB_CACHE": str(folder / "cache")}
    with (
        FakeHub(_small()) as served,
        mock.patch.dict("os.environ", {**environment, "HF_ENDPOINT": served.url, "HF_HUB_OFFLINE": "0"}),
        mock.patch.object(hub, "WAITS_S", (0.01, 0.01)),
        mock.patch.object(hub, "CHUNK_BYTES", 4096),
    ):
        served.always = fault
        model = models.find(f"owner/tiny@{REVISION}")
        reporter = Reporter("j", lambda event: None, wants_preview=False)
        try:
            fetch.for_job(model, reporter, lambda: None)
        except EngineError as error:
            here = store.installed(model)
            return None if error.hint and here is None else f"{told}: {error}, installed: {here}"
        installed = store.installed(model)
        if installed is None:
            return f"{told}: fetched, but it is not here"
        for path in installed.rglob("*.safetensors"):
            if path.read_bytes() != (_small() / path.relative_to(installed)).read_bytes():
                return f"{told}: {path.name} is not what the hub has"
        return None
