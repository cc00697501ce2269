# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a hub repository are wanted: the parts that are loaded, in one set of weights.

Pickles, ONNX and Flax weights are never fetched. Where a part has weights in half precision as well,
those are taken: half the download, and the network computes in half precision anyway.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePosixPath

from sync_engine.common.errors import ModelNotAvailable
from sync_engine.downloads.store import UNUSED_PARTS, File
from sync_engine.interface.wording import Message

MAX_TEXT_BYTES = 64 * 2**20
TEXT_SUFFIXES = frozenset({".json", ".txt", ".model", ".jinja"})
_PATH = re.compile(r"[\w.+-]+(/[\w.+-]+)*", re.ASCII)
_WEIGHTS = re.compile(
    r"(diffusion_pytorch_)?model(?P<before>\.\w+)?(-\d{5}-of-\d{5})?(?P<after>\.\w+)?\.safetensors"
)
_INDEX = re.compile(
    r"(diffusion_pytorch_)?model(?P<before>\.\w+)?\.safetensors\.index(?P<after>\.\w+)?\.json"
)


def wanted(files: list[File], parts: list[str], source: str) -> list[File]:
    """Return the files to fetch, small ones first.

    Args:
        files: all files of the repository.
        parts: the parts that its ``model_index.json`` names.
        source: the hub id, for errors.

    Raises:
        ModelNotAvailable: a part is missing, has no safetensors weights, or a file is too large.
    """
    by_part: dict[str, list[File]] = defaultdict(list)
    for file in files:
        if _PATH.fullmatch(file.path) and ".." not in file.path.split("/"):
            by_part[file.path.rpartition("/")[0]].append(file)
    chosen = [file for file in by_part[""] if file.path == "model_index.json" or _is_licence(file.path)]
    for part in parts:
        if part in UNUSED_PARTS:
            continue
        if not by_part[part]:
            raise ModelNotAvailable(
                Message("{source} lacks the folder of its part {part}.", source=source, part=part),
                "It is not a whole diffusers model; use another one.",
            )
        chosen += _of_part(by_part[part], part, source)
    for file in chosen:
        if not file.is_weights and file.size > MAX_TEXT_BYTES:
            raise ModelNotAvailable(
                Message(
                    "{source}: {file} has {size:.0f} MiB, far more than such a file needs.",
                    source=source,
                    file=file.path,
                    size=file.size / 2**20,
                ),
                "Use another model.",
            )
    return sorted(chosen, key=lambda file: file.size)


def of_part(files: list[File], source: str) -> list[File]:
    """Return the files of a repository that holds one part only, at its top: a tiny decoder."""
    top = [file for file in files if "/" not in file.path and _PATH.fullmatch(file.path)]
    names = {file.path for file in top}
    if "config.json" not in names:
        raise ModelNotAvailable(
            Message("{source} is no part in diffusers' format: it has no config.json.", source=source),
            "Use another.",
        )
    chosen = [file for file in _of_part(top, "", source) if file.is_weights or file.path == "config.json"]
    return sorted(chosen, key=lambda file: file.size)


def _is_licence(path: str) -> bool:
    return path.lower().startswith("license")


def _of_part(files: list[File], part: str, source: str) -> list[File]:
    texts = [
        file
        for file in files
        if PurePosixPath(file.path).suffix in TEXT_SUFFIXES and ".index." not in PurePosixPath(file.path).name
    ]
    variants: dict[str, list[File]] = defaultdict(list)
    for file in files:
        name = PurePosixPath(file.path).name
        if found := _WEIGHTS.fullmatch(name) or _INDEX.fullmatch(name):
            variants[(found["before"] or found["after"] or "").strip(".")].append(file)
    weights = next((variants[name] for name in ("fp16", "bf16", "") if _has_weights(variants[name])), [])
    if not weights and any(PurePosixPath(file.path).name == "config.json" for file in files):
        raise ModelNotAvailable(
            Message("{source}: its part {part} has no weights as safetensors.", source=source, part=part),
            "Only safetensors files are fetched. Use another model, or convert it and name the folder.",
        )
    return [*texts, *weights]


def _has_weights(files: list[File]) -> bool:
    return any(file.is_weights for file in files)
