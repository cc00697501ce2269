# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bytes of an EXR or a PNG tell before anything is decoded: header, size, whether the file is whole.

Standard library only and bounded: a regular file, a header of limited length, no pixel read. Blender opens
a picture only after ``check_picture``, because an EXR that is cut off can end Blender's process.
OpenEXR file layout: https://openexr.com/en/latest/OpenEXRFileLayout.html; PNG: W3C, sections 5 and 11.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import BinaryIO

from .wording import Message, as_message

EXR_MAGIC, PNG_MAGIC = b"\x76\x2f\x31\x01", b"\x89PNG\r\n\x1a\n"
MOST_PIXELS = 2**28
"""No picture of more is opened: 16384 × 8192 twice over."""
MOST_ATTRIBUTES, MOST_CHUNKS, MOST_PARTS, MOST_PLACES = 1000, 4096, 64, 2**17
LONGEST_NAME = 255
LINES_PER_CHUNK = dict(enumerate((1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32, 256, 1)))
"""Scan lines in one chunk of an EXR by its compression."""
TILED, DEEP, MULTIPART = 0x200, 0x800, 0x1000
PNG_TAIL = 65536
"""Some programs write a few bytes behind the end of a PNG."""


class DamagedPicture(ValueError):
    """A picture is cut off, has impossible lengths, or is larger than anything that is read.

    Attributes:
        problem: what is wrong with it; also where the error is a value of another message.
    """

    def __init__(self, problem: str) -> None:
        self.problem = as_message(problem)
        super().__init__(self.problem)


@dataclass
class ExrPart:
    """The header of one part of an EXR.

    Attributes:
        attributes: the values of those that are asked for, by name, as they stand in the file.
        types: the type of every attribute by its name.
    """

    attributes: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    def window(self, name: str) -> tuple[int, int, int, int]:
        """Return ``dataWindow`` or ``displayWindow`` as left, top, width, height in pixels."""
        x_min, y_min, x_max, y_max = self._numbers(name, "<4i")
        width, height = x_max - x_min + 1, y_max - y_min + 1
        if not (width > 0 and height > 0 and width * height <= MOST_PIXELS):
            raise DamagedPicture(
                Message("its {name} is {width} × {height} pixels", name=name, width=width, height=height)
            )
        return x_min, y_min, width, height

    def chunks(self, tiled: bool) -> int | None:
        """Return the length of the chunk table, without the smaller levels of tiles; None if unknown."""
        if "chunkCount" in self.attributes:
            return max(0, self._numbers("chunkCount", "<i")[0])
        _, _, width, height = self.window("dataWindow")
        if tiled:
            across, down, _ = self._numbers("tiles", "<IIB")
            return ceil(width / max(1, across)) * ceil(height / max(1, down))
        lines = LINES_PER_CHUNK.get(self._numbers("compression", "<B")[0])
        return ceil(height / lines) if lines else None

    def _numbers(self, name: str, layout: str) -> tuple[int, ...]:
        value = self.attributes.get(name, b"")
        if len(value) != struct.calcsize(layout):
            raise DamagedPicture(Message("it has no {name}", name=name))
        return struct.unpack(layout, value)


SHAPE = frozenset(("dataWindow", "displayWindow", "compression", "tiles", "chunkCount"))


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; OSError for anything but a regular file, without waiting for a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a NUL character in its name
        raise OSError(str(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(Message("not a regular file"))
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def check_picture(path: Path) -> None:
    """Raise DamagedPicture for an EXR or PNG that is not whole, OSError for a file that cannot be read.

    A file whose name ends in .exr or .png has to be one; of other kinds only the presence is checked.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise DamagedPicture("it is empty")
        start = file.read(len(PNG_MAGIC))
        file.seek(0)
        suffix = path.suffix.lower()
        if start.startswith(EXR_MAGIC):
            _check_exr(file, size)
        elif start == PNG_MAGIC:
            png_size(file)
            file.seek(max(0, size - PNG_TAIL))
            if b"\0\0\0\0IEND\xae\x42\x60\x82" not in file.read(PNG_TAIL):
                raise DamagedPicture("it is cut off")
        elif suffix in (".exr", ".png"):
            raise DamagedPicture(Message("it is no {form}", form=suffix[1:].upper()))


def picture_size(path: Path) -> tuple[int, int] | None:
    """Return width and height of an EXR or PNG by its header alone; None for other kinds.

    Raises DamagedPicture or OSError as ``check_picture`` does.
    """
    with open_regular(path) as file:
        start = file.read(len(PNG_MAGIC))
        file.seek(0)
        if start == PNG_MAGIC:
            return png_size(file)
        if not start.startswith(EXR_MAGIC):
            return None
        _, parts = exr_parts(file, SHAPE)
        _, _, width, height = parts[0].window("displayWindow")
        return width, height


def png_size(file: BinaryIO) -> tuple[int, int]:
    """Return width and height of a PNG from its beginning; DamagedPicture if there are none."""
    start = _exactly(file, len(PNG_MAGIC) + 16)
    length, kind, width, height = struct.unpack(">I4sII", start[len(PNG_MAGIC) :])
    if kind != b"IHDR" or length != 13:
        raise DamagedPicture("its first chunk is not the header")
    if not (width > 0 and height > 0 and width * height <= MOST_PIXELS):
        raise DamagedPicture(Message("it is {width} × {height} pixels", width=width, height=height))
    return width, height


def png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield kind and length of each chunk of a PNG; the file stands at its body, and may be read there."""
    file.seek(len(PNG_MAGIC))
    for _ in range(MOST_CHUNKS):
        size, kind = struct.unpack(">I4s", _exactly(file, 8))
        body = file.tell()
        yield kind, size
        if kind == b"IEND":
            return
        file.seek(body + size + 4)
    raise DamagedPicture(Message("it has more than {most} chunks", most=MOST_CHUNKS))


def exr_parts(file: BinaryIO, wanted: frozenset[str], longest: int = 2**16) -> tuple[int, list[ExrPart]]:
    """Return the version field of an EXR and the headers of its parts; the file stands behind them.

    Args:
        file: an EXR from its beginning.
        wanted: the names of the attributes whose values are kept.
        longest: longer values are not kept, in bytes.
    """
    magic, flags = struct.unpack("<4sI", _exactly(file, 8))
    if magic != EXR_MAGIC:
        raise DamagedPicture("it is no EXR")
    parts: list[ExrPart] = []
    budget = MOST_ATTRIBUTES
    while len(parts) <= MOST_PARTS:
        part = ExrPart()
        while name := _name(file):
            budget -= 1
            if budget < 0:
                raise DamagedPicture(
                    Message("its header has more than {most} attributes", most=MOST_ATTRIBUTES)
                )
            part.types[name] = _name(file)
            (size,) = struct.unpack("<i", _exactly(file, 4))
            if size < 0:
                raise DamagedPicture("its header has impossible lengths")
            if name in wanted and size <= longest:
                part.attributes[name] = _exactly(file, size)
            else:
                file.seek(size, 1)
        if part.types:
            parts.append(part)
        if not flags & MULTIPART or not part.types:  # an empty header ends those of a file of parts
            return flags, parts
    raise DamagedPicture(Message("it has more than {most} parts", most=MOST_PARTS))


def _check_exr(file: BinaryIO, size: int) -> None:
    """Every chunk that the table of an EXR names lies inside the file, the last one with all its bytes."""
    flags, parts = exr_parts(file, SHAPE)
    if not parts:
        raise DamagedPicture("it has no header")
    offsets: list[int] = []
    for part in parts:
        part.window("dataWindow")
        part.window("displayWindow")
        count = part.chunks(bool(flags & TILED))
        if count is None:
            raise DamagedPicture("its compression is unknown")
        if count > MOST_PLACES or file.tell() + 8 * count > size:
            raise DamagedPicture("it is cut off")
        offsets += struct.unpack(f"<{count}Q", _exactly(file, 8 * count))
    first = file.tell()
    if not offsets or min(offsets) < first or max(offsets) >= size:
        raise DamagedPicture("it is cut off")  # a place of 0 is a chunk that was never written
    tiles = {bool(flags & TILED) or "tiles" in part.types for part in parts}
    if not flags & DEEP and len(tiles) == 1:  # else nobody knows which kind of chunk is the last
        leader = (4 if flags & MULTIPART else 0) + (16 if True in tiles else 4)
        file.seek(max(offsets) + leader)
        (packed,) = struct.unpack("<i", _exactly(file, 4))
        if packed < 0 or file.tell() + packed > size:
            raise DamagedPicture("it is cut off")


def _name(file: BinaryIO) -> str:
    """Read a name up to its zero byte; empty where there is none."""
    place = file.tell()
    text = file.read(LONGEST_NAME + 1)
    end = text.find(b"\0")
    if end < 0:
        raise DamagedPicture("its header is cut off or has names that are too long")
    file.seek(place + end + 1)
    return text[:end].decode("utf-8", "replace")


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise DamagedPicture("it is cut off")
    return data
