# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on this computer of each model: an overview, removing, and checking every byte again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_engine.catalog import models
from sync_engine.catalog.control_nets import CONTROL_NETS, model_or_net
from sync_engine.catalog.memory import card_gb
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.downloads import store
from sync_engine.interface.wording import Message


def overview() -> list[dict[str, Any]]:
    """Return all models of the table, and others that were fetched, as plain JSON values."""
    rows = [*models.TABLE.values(), *models.TINY_DECODERS.values()]
    rows += [row.model for row in CONTROL_NETS.values()]
    known = {row.source for row in rows}
    for folder in sorted(store.root().glob("*--*")):
        source = folder.name.replace("--", "/", 1)
        if source not in known and models.is_hub_id(source):
            rows.append(models.find(source))
    return [_describe(row) for row in rows]


def _describe(model: models.Model) -> dict[str, Any]:
    folder = store.installed(model) if model.on_hub else Path(model.source)
    index = "config.json" if model.part else "model_index.json"
    here = folder is not None and (folder / index).is_file()
    partial = _partial_bytes(model)
    state = "here" if here else "partly" if partial else "absent"
    return {
        "name": model.name,
        "title": model.title,
        "source": model.source if model.on_hub else "",
        "revision": model.revision,
        "pinned": bool(model.revision) or not model.on_hub,
        "licence": model.licence,
        "download_gb": model.download_gb,
        "memory_gb": card_gb(model, "fp8", "model"),
        "steps": model.steps,
        "guidance": model.guidance,
        "window": model.window,
        "state": state,
        "fetched_gb": round(partial / 1e9, 3),
        "folder": str(folder) if here else "",
        "disk_gb": round(store.size_of(folder) / 1e9, 3) if here and folder else 0.0,
    }


def here() -> list[str]:
    """Return the names of the models that are on this computer, whole."""
    return [row["name"] for row in overview() if row["state"] == "here"]


def removed(name: str) -> list[str]:
    """Delete what was fetched of a model and return what there is to say. Raises ModelNotAvailable."""
    model = model_or_net(name)
    if not model.on_hub:
        raise ModelNotAvailable(
            Message(
                "model = {name} was not fetched: it is the folder {source}.",
                name=repr(name),
                source=model.source,
            ),
            "Nothing was removed.",
        )
    freed = store.remove(model.source)
    elsewhere = store.installed(model)
    if not freed and elsewhere is None:
        raise ModelNotAvailable(
            Message("model = {name} is not on this computer.", name=repr(name)), "Nothing was removed."
        )
    lines: list[str] = [Message("{freed:.1f} GB are free now.", freed=freed / 1e9)] if freed else []
    if elsewhere is not None:
        lines += [
            Message(
                "Another copy lies in the hub's own cache, which other programs share: {elsewhere}",
                elsewhere=elsewhere,
            ),
            "Remove it with 'hf cache rm' if nothing else needs it.",
        ]
    return lines


def verified(model: models.Model, check: Callable[[], None] = lambda: None) -> list[tuple[str, str]]:
    """Return (path, what is wrong with it or an empty text) for every file that can be checked.

    ``check`` is called for each block that is read; may raise to stop.
    """
    folder = store.installed(model) if model.on_hub else Path(model.source)
    if folder is None:
        raise ModelNotAvailable(
            Message("model = {model} is not on this computer.", model=repr(model.name)),
            Message("Fetch it: python -m sync_engine models download {model}", model=model.name),
        )
    if (folder / store.MANIFEST).is_file():
        return [(file.path, problem) for file, problem in store.verify(folder, check)]
    from sync_engine.catalog.safetensors_header import check_weights_file

    found = [(name, "missing") for name in store.missing_parts(folder)]
    for file in sorted(folder.glob("*/*.safetensors")):
        try:
            check_weights_file(file)
            found.append((str(file.relative_to(folder)), ""))
        except ModelNotAvailable as error:
            found.append((str(file.relative_to(folder)), error.message))
    return found


def _partial_bytes(model: models.Model) -> int:
    if not model.on_hub:
        return 0
    return sum(store.size_of(folder) for folder in store.model_folder(model.source).glob(".*.partial"))
