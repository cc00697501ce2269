# SPDX-License-Identifier: GPL-3.0-or-later
"""GGUF files: what tensors one has, decided by its header, and which of them are read here.

A GGUF file begins with its magic, its version, how many tensors and how many facts it has. The package
``gguf`` reads the rest; it is optional (``requirements/gguf.txt``).
"""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from typing import Any

from sync_engine.catalog.safetensors_header import MAX_FILE_BYTES, MAX_TENSORS
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.wording import Message, as_message

MAGIC = b"GGUF"
START = struct.Struct("<4sIQQ")
"""Magic, version, tensors, facts."""
VERSIONS = (2, 3)
MAX_FACTS = 10_000
SHAPE_KEY = "comfy.gguf.orig_shape."
"""Before the name of a tensor that was stored in another shape, because rows have to fill whole blocks."""
REMEDY = "Use a GGUF of Stable Diffusion, Z-Image, FLUX.2 klein or Qwen-Image, or the model as safetensors."


def is_gguf(file: Path) -> bool:
    """Whether a file begins as GGUF files do."""
    try:
        with file.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def reader(file: Path) -> Any:
    """Return ``gguf``'s reader of a file.

    Raises:
        ModelNotAvailable: the package is missing, or the file is damaged or larger than the caps.
    """
    if importlib.util.find_spec("gguf") is None:
        raise ModelNotAvailable(
            "The engine's Python has no gguf, which GGUF files need.",
            "Install it: python -m pip install -r sync_engine/requirements/gguf.txt",
        )
    _check_start(file)
    from gguf import GGUFReader

    try:
        return GGUFReader(file)
    except (ValueError, IndexError, KeyError, OSError, OverflowError, UnicodeDecodeError) as error:
        raise refused(file, Message("it is damaged or cut off ({reason})", reason=error)) from error


def _check_start(file: Path) -> None:
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(START.size)
    if len(start) < START.size or not start.startswith(MAGIC):
        raise refused(file, "it is no GGUF file")
    _, version, tensors, facts = START.unpack(start)
    if version not in VERSIONS:
        raise refused(file, Message("its version is {version}", version=version))
    if not 0 < tensors <= MAX_TENSORS or facts > MAX_FACTS or size > MAX_FILE_BYTES:
        raise refused(
            file, Message("it claims {count} tensors and {facts} facts", count=tensors, facts=facts)
        )


def shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a GGUF file, as torch counts sides."""
    found = reader(file)
    return {tensor.name: shape_of(found, tensor) for tensor in found.tensors}


def shape_of(found: Any, tensor: Any) -> tuple[int, ...]:
    """Return the shape of a tensor of a reader: GGUF counts sides from the last."""
    kept = found.fields.get(SHAPE_KEY + tensor.name)
    if kept is not None:
        return tuple(int(kept.parts[index][0]) for index in kept.data)
    return tuple(int(side) for side in reversed(tensor.shape))


def architecture(file: Path) -> str:
    """Return what a GGUF file says that it is; empty where it says nothing."""
    field = reader(file).fields.get("general.architecture")
    return "" if field is None else bytes(field.parts[field.data[0]]).decode("utf-8", "replace")[:40]


def refused(file: Path, problem: str) -> ModelNotAvailable:
    """Return the error for a GGUF file that cannot be used."""
    return ModelNotAvailable(
        Message(
            "model = {file} cannot be used: {problem}.", file=repr(str(file)), problem=as_message(problem)
        ),
        REMEDY,
    )
