# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that a result carries with it: read from the header of an EXR, from a PNG, or from JSON.

Only the few bytes that hold them are read, with the standard library, so that Blender's process can do
it too. OpenEXR file layout: https://openexr.com/en/latest/OpenEXRFileLayout.html; PNG: W3C, section 11.3.3.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from .spec import EnvironmentSpec, SpecError
from .wording import Message

KEYS = {"spec": "syncscape", "light": "syncscape_light"}
"""Under which names pictures hold what: attributes of an EXR's header, keywords of a PNG's texts."""
EXR_MAGIC, PNG_MAGIC = b"\x76\x2f\x31\x01", b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 2**20
"""No name, attribute or text of ours is longer; JSON files neither."""


class _Broken(Exception):
    """The file ends too early or has impossible lengths."""


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
        with path.open("rb") as file:
            start = file.read(len(PNG_MAGIC))
            if start.startswith(EXR_MAGIC):
                file.seek(len(EXR_MAGIC) + 4)
                texts = dict(_exr_texts(file))
            elif start == PNG_MAGIC:
                texts = dict(_png_texts(file))
            else:
                return _from_json(path, start + file.read(MOST_BYTES))
    except (OSError, ValueError) as error:
        raise _bad(
            path, Message("cannot be read ({reason})", reason=error), "Name a readable file."
        ) from error
    except _Broken as error:
        raise _bad(path, "is cut off or damaged", "Name another file of that picture.") from error
    found = {}
    for name, key in KEYS.items():
        if key in texts:
            try:
                found[name] = json.loads(texts[key])
            except (ValueError, RecursionError) as error:
                raise _bad(
                    path, Message("holds a {name} that is not JSON", name=name), "Name another file."
                ) from error
    return _something(path, found)


def read_spec(path: Path) -> EnvironmentSpec:
    """Return the validated spec that made a result; the same files and errors as ``read_record``."""
    record = read_record(path)
    if "spec" not in record:
        raise _bad(path, "tells its light, but no settings", "Name a picture that Syncscape has generated.")
    return EnvironmentSpec.from_dict(record["spec"])


def _exr_texts(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield the text attributes of the first header of an EXR, from behind magic and version."""
    while True:
        name = _until_zero(file)
        if not name:
            return
        kind = _until_zero(file)
        (size,) = struct.unpack("<i", _exactly(file, 4))
        if kind == b"string" and size <= MOST_BYTES:
            yield name.decode("utf-8", "replace"), _exactly(file, size)
        else:
            _skip(file, size)


def _png_texts(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield the tEXt chunks of a PNG, from behind its signature."""
    while True:
        size, kind = struct.unpack(">I4s", _exactly(file, 8))
        if kind == b"IEND":
            return
        if kind == b"tEXt" and size <= MOST_BYTES:
            key, _, text = _exactly(file, size).partition(b"\0")
            yield key.decode("latin-1"), text
            _skip(file, 4)
        else:
            _skip(file, size + 4)


def _until_zero(file: BinaryIO) -> bytes:
    text = bytearray()
    while (byte := _exactly(file, 1)) != b"\0":
        text += byte
        if len(text) > 255:  # the longest name that the format allows
            raise _Broken
    return bytes(text)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size) if size >= 0 else b""
    if len(data) != size:
        raise _Broken
    return data


def _skip(file: BinaryIO, size: int) -> None:
    if size < 0:
        raise _Broken
    file.seek(size, 1)


def _from_json(path: Path, data: bytes) -> dict[str, Any]:
    try:
        record = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
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
