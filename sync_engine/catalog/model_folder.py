# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a model's folder before a library reads anything of it: no code, no pickles, nothing without limits.

The libraries do more than read weights: they run code that a configuration names, load adapters and kernels
from elsewhere, and unpickle what an index lists. What could make them is refused here by its words.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sync_engine.catalog import small_files, tokenizer_file
from sync_engine.catalog.families import has_weights
from sync_engine.catalog.model_index import Index
from sync_engine.catalog.small_files import CONFIG_BYTES, TOKENIZER_BYTES, check_regular, read_json, refused
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.wording import Message

CODE = frozenset({"auto_map", "custom_pipelines", "custom_pipeline", "trust_remote_code", "custom_generate"})
"""What a configuration may not say: it names code."""
KERNELS = frozenset({"attn_implementation", "_attn_implementation", "_attn_implementation_internal"})
"""What may name an attention of the library, and not one that is fetched from a hub."""
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5", ".npy", ".npz"})
MAX_FILES = 2000
MAX_NUMBER = 10**7
"""A base of rotary embeddings reaches a million."""
MAX_LAYERS = 4096
"""What counts layers, blocks, heads or channels."""
COUNTS = ("layers", "heads", "widths", "blocks", "channels")
WITHOUT_LIMIT = frozenset({"model_max_length", "lambda_min_clipped"})
"""Numbers that mean "no limit" where they are huge; what is used of them is limited where it is used."""


def check(folder: Path, index: Index, parts: Iterable[str], with_weights: bool = True) -> None:
    """Check the small files and the names of the parts that are about to be loaded; weights are not read.

    Args:
        with_weights: whether the weights of these parts are read too; of a single file's base they are not.

    Raises:
        ModelNotAvailable: naming the file and why it is refused.
    """
    for part in parts:
        check_part(folder / part, weights=has_weights(part) and with_weights)
        if part.startswith("tokenizer"):
            tokenizer_file.check(folder / part, index.family.parts[part])
        _check_class(folder / part, index.classes[part])


def check_part(folder: Path, weights: bool) -> None:
    """Check one part's folder: what its configurations say, where its weights are."""
    files = _files(folder)
    for path in files:
        name = path.name
        if path.suffix == ".py":
            raise refused(path, "it is code, and no code of a model is run")
        if name.startswith("adapter_"):
            raise refused(path, "an adapter would load weights from elsewhere", "Name it with --lora.")
        if ".index." in name and path.suffix == ".json":
            check_shards(path)
        elif path.suffix in (".json", ".txt", ".jinja", ".model"):
            # those of tokenizers are looked into by tokenizer_file
            check_regular(path, CONFIG_BYTES if weights else TOKENIZER_BYTES)
        if name.endswith("config.json"):
            check_config(path, read_json(path))
    if weights:
        _check_weights(folder, files)


def _files(folder: Path) -> list[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if not path.is_dir())
    except OSError as error:
        raise ModelNotAvailable(
            Message(
                "{parent}: the part {name} has no folder that can be read ({reason}).",
                parent=folder.parent,
                name=folder.name,
                reason=error.strerror,
            ),
            "Fetch the model again; a pipeline saved without some of its parts cannot be used.",
        ) from error
    if len(files) > MAX_FILES:
        raise refused(folder, Message("it has {count} files", count=len(files)))
    return files


def check_config(path: Path, data: Any) -> None:
    """Check what a configuration says; raise ModelNotAvailable."""
    if not isinstance(data, dict):
        raise refused(path, "it is no JSON object")
    for key, value in small_files.pairs(data):
        if key in CODE and value:
            raise refused(
                path, Message("it names code to run ({key}), and no code of a model is run", key=key)
            )
        if key in KERNELS and isinstance(value, str) and ("/" in value or ":" in value):
            raise refused(
                path, Message("it names code of a hub ({key} = {value})", key=key, value=repr(value[:80]))
            )
        if key == "quantization_config" and value:
            raise refused(
                path,
                "its weights are quantised in a way that is not read here",
                "Use the model in bfloat16 or float16, or as a single file in fp8.",
            )
        most = MAX_LAYERS if any(word in key for word in COUNTS) else MAX_NUMBER
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, (int, float)) and key not in WITHOUT_LIMIT and not abs(number) <= most:
                raise refused(
                    path,
                    Message(
                        "{key} = {number} is beyond what a model needs",
                        key=key,
                        number=repr(number)[:40][:40],
                    ),
                )


def check_shards(path: Path) -> None:
    """Check that an index lists safetensors files of its own folder only; raise ModelNotAvailable."""
    data = read_json(path, TOKENIZER_BYTES)
    shards = data.get("weight_map") if isinstance(data, dict) else None
    if not isinstance(shards, dict):
        raise refused(path, "it has no weight_map")
    for name in set(map(str, shards.values())):
        if not name.endswith(".safetensors") or "/" in name or "\\" in name:
            raise refused(
                path,
                Message(
                    "it lists {name}, and only safetensors files beside it are read", name=repr(name[:80])
                ),
            )


def _check_weights(folder: Path, files: list[Path]) -> None:
    if any(path.suffix == ".safetensors" for path in files):
        return
    pickle = next((path for path in files if path.suffix in PICKLES), None)
    if pickle is not None:
        raise refused(
            pickle,
            "it may hold code, and the part has no safetensors weights",
            "Only safetensors files are read; convert the model or fetch it again.",
        )


def _check_class(folder: Path, wanted: str) -> None:
    """Check that a part's own configuration names the class that the index names."""
    for name in ("config.json", "scheduler_config.json"):
        path = folder / name
        if path.is_file():
            given = read_json(path).get("_class_name", wanted)
            if given != wanted:
                raise refused(
                    path,
                    Message(
                        "it is of class {given}, and model_index.json says {wanted}",
                        given=given,
                        wanted=wanted,
                    ),
                )
