# SPDX-License-Identifier: GPL-3.0-or-later
"""Radiance pictures (.hdr, RGBE): a reader of flat and run-length encoded lines.

Source: the file formats of Radiance, https://radsite.lbl.gov/radiance/refer/filefmts.pdf.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from sync_engine.interface.picture_files import DamagedPicture, open_regular
from sync_engine.pictures.picture import CheckSize, ReadPicture, UnreadablePicture

LONGEST_HEADER = 65536
_SIZE = re.compile(rb"\n\n?-Y (\d{1,6}) \+X (\d{1,6})\n")


def read(path: Path, check_size: CheckSize) -> ReadPicture:
    """Read the picture as linear light; OSError, DamagedPicture or UnreadablePicture if it cannot be."""
    with open_regular(path) as file:
        data = file.read(LONGEST_HEADER)
        size = _SIZE.search(data)
        if size is None or b"FORMAT=32-bit_rle_xyze" in data[: size.start()]:
            raise UnreadablePicture(path, "is a Radiance picture of a rare kind", "Save it as EXR.")
        height, width = int(size[1]), int(size[2])
        check_size(width, height)
        file.seek(size.end())
        rest = file.read(width * height * 4 * 2 + 4 * height)
    rgbe = np.empty((height, width, 4), dtype=np.uint8)
    place = 0
    for row in range(height):
        if rest[place : place + 2] == b"\x02\x02" and 8 <= width < 32768:
            if rest[place + 2 : place + 4] != width.to_bytes(2, "big"):
                raise DamagedPicture("its lines are not as wide as it says")
            place = _unpack(rest, place + 4, rgbe[row])
        else:
            line = np.frombuffer(rest[place : place + 4 * width], dtype=np.uint8)
            if len(line) < 4 * width:
                raise DamagedPicture("it is cut off")
            rgbe[row] = line.reshape(width, 4)
            place += 4 * width
    scale = np.ldexp(np.float32(1.0), rgbe[..., 3].astype(np.int32) - 136)
    colours = (rgbe[..., :3] + np.float32(0.5)) * scale[..., None]
    colours[rgbe[..., 3] == 0] = 0
    return ReadPicture(colours.astype(np.float32), linear=True)


def _unpack(data: bytes, place: int, line: np.ndarray) -> int:
    """Unpack one line, each of its four components in runs; return where the next begins."""
    width = len(line)
    for component in range(4):
        x = 0
        while x < width:
            count = data[place] if place < len(data) else 0
            run = count > 128
            count -= 128 if run else 0
            values = data[place + 1 : place + 2] if run else data[place + 1 : place + 1 + count]
            if not count or x + count > width or len(values) < (1 if run else count):
                raise DamagedPicture("it is cut off")
            line[x : x + count, component] = np.frombuffer(values, dtype=np.uint8)
            x, place = x + count, place + 1 + len(values)
    return place
