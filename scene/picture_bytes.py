# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as the bytes of an EXR or a PNG, from any thread: Blender's own saving is for its main thread.

Blender 5.0 also saves a float image that had no file as sRGB values in an EXR, which is then read as light.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def exr(channels: dict[str, np.ndarray]) -> bytes:
    """Return an uncompressed EXR of scan lines (OpenEXR file layout, version 2).

    Args:
        channels: ``(H, W)`` each, stored as 32-bit floats, by their names.
    """
    names = sorted(channels)
    height, width = channels[names[0]].shape

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return b"%s\0%s\0%s%s" % (name.encode(), kind.encode(), struct.pack("<i", len(value)), value)

    listed = b"".join(name.encode() + b"\0" + struct.pack("<iB3x2i", 2, 0, 1, 1) for name in names)
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    header = b"".join(
        (
            struct.pack("<2i", 20000630, 2),
            attribute("channels", "chlist", listed + b"\0"),
            attribute("compression", "compression", b"\0"),
            attribute("dataWindow", "box2i", window),
            attribute("displayWindow", "box2i", window),
            attribute("lineOrder", "lineOrder", b"\0"),
            attribute("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
            attribute("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
            attribute("screenWindowWidth", "float", struct.pack("<f", 1.0)),
            b"\0",
        )
    )
    size = 4 * width * len(names)
    offsets = len(header) + 8 * height + (8 + size) * np.arange(height, dtype="<u8")
    lines = np.empty((height, 8 + size), dtype=np.uint8)
    lines[:, :4] = np.arange(height, dtype="<i4")[:, None].view(np.uint8)
    lines[:, 4:8] = np.frombuffer(struct.pack("<i", size), dtype=np.uint8)
    values = np.stack([channels[name] for name in names], axis=1).astype("<f4")
    lines[:, 8:] = values.reshape(height, -1).view(np.uint8)
    return header + offsets.tobytes() + lines.tobytes()


def png(pixels: np.ndarray) -> bytes:
    """Return a PNG of 8-bit pixels ``(H, W, 1)``, grey, or ``(H, W, 3)``."""
    height, width, count = pixels.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = np.zeros((height, width * count + 1), dtype=np.uint8)  # each begins with its filter, none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">2I5B", width, height, 8, 0 if count == 1 else 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 4)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts
