# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that a result carries with it: read from the header of an EXR, from a PNG, or from JSON.

Only the few bytes that hold them are read, with the standard library, so that Blender's process can do
it too. OpenEXR file layout: https://openexr.com/en/latest/OpenEXRFileLayout.html; PNG: W3C, section 11.3.3.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, BinaryIO

from .bounded_json import MOST_BYTES, load_json
from .guides import with_copies
from .picture_files import EXR_MAGIC, PNG_MAGIC, DamagedPicture, exr_parts, open_regular, png_chunks
from .spec import EnvironmentSpec, SpecError
from .wording import Message

KEYS = {"spec": "syncscape", "light": "syncscape_light"}
"""Under which names pictures hold what: attributes of an EXR's header, keywords of a PNG's texts."""


def read_record(path: Path) -> dict[str, Any]:
    """Return what made a result: ``spec`` and, for a world, ``light``, as plain JSON values.

    Args:
        path: an EXR or PNG that the engine has written, a result's folder, its ``spec.json``, or a spec
            of its own.

    Raises:
        SpecError: the file cannot be read, or holds nothing of the kind.
    """
    path = path / "spec.json" if path.is_dir() else path
    try:
        with open_regular(path) as file:
            start = file.read(len(PNG_MAGIC))
            file.seek(0)
            if start.startswith(EXR_MAGIC):
                texts = _exr_texts(file)
            elif start == PNG_MAGIC:
                texts = _png_texts(file)
            else:
                return _from_json(path, file.read(MOST_BYTES + 1))
    except DamagedPicture as error:
        raise _bad(path, "is cut off or damaged", "Name another file of that picture.") from error
    except (OSError, ValueError) as error:
        raise _bad(
            path, Message("cannot be read ({reason})", reason=error), "Name a readable file."
        ) from error
    found = {}
    for name, key in KEYS.items():
        if key in texts:
            try:
                found[name] = load_json(texts[key])
            except ValueError as error:
                raise _bad(
                    path, Message("holds a {name} that is not JSON", name=name), "Name another file."
                ) from error
    return _something(path, found)


def read_spec(path: Path) -> EnvironmentSpec:
    """Return the validated spec that made a result; the same files and errors as ``read_record``."""
    record = read_record(path)
    if "spec" not in record:
        raise _bad(path, "tells its light, but no settings", "Name a picture that Syncscape has generated.")
    spec = EnvironmentSpec.from_dict(record["spec"])
    folder = path if path.is_dir() else path.parent
    return dataclasses.replace(spec, guides=with_copies(spec.guides, folder))


def _exr_texts(file: BinaryIO) -> dict[str, bytes]:
    """Return our text attributes of the first header of an EXR."""
    _, parts = exr_parts(file, frozenset(KEYS.values()), longest=MOST_BYTES)
    if not parts:
        return {}
    return {name: text for name, text in parts[0].attributes.items() if parts[0].types[name] == "string"}


def _png_texts(file: BinaryIO) -> dict[str, bytes]:
    """Return our tEXt chunks of a PNG."""
    texts = {}
    for kind, size in png_chunks(file):
        if kind != b"tEXt" or size > MOST_BYTES:
            continue
        for key in KEYS.values():
            start = key.encode() + b"\0"
            if file.peek(len(start))[: len(start)] == start:  # type: ignore[attr-defined]
                body = file.read(size)
                if len(body) < size:
                    raise DamagedPicture("it is cut off")
                texts[key] = body[len(start) :]
    return texts


def _from_json(path: Path, data: bytes) -> dict[str, Any]:
    try:
        if len(data) > MOST_BYTES:
            raise ValueError("too long")
        record = load_json(data)
    except ValueError as error:
        raise _bad(path, "is no EXR, PNG or JSON", "Name a file that Syncscape has made.") from error
    if not isinstance(record, dict):
        return _something(path, {})
    if "prompt" in record:  # a spec of its own, without a record around it
        record = {"spec": record}
    return _something(path, {name: record[name] for name in KEYS if name in record})


def _something(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    if not found:
        raise _bad(path, "holds no settings of Syncscape", "Name a file that Syncscape has made.")
    return found


def _bad(path: Path, problem: str, remedy: str) -> SpecError:
    return SpecError("file", path.name, problem, remedy)
