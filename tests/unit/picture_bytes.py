# SPDX-License-Identifier: GPL-3.0-or-later
"""EXR and PNG files of a few bytes, right in header, table and length."""

from __future__ import annotations

import struct
import zlib

ZIPS = 2
"""One line a chunk."""


def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
    return name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value


def exr(height: int = 8, width: int = 16, more: bytes = b"", pixels: bytes = b"pixels of a line") -> bytes:
    """Return an EXR with a right header and table; its chunks hold anything."""
    box = struct.pack("<4i", 0, 0, width - 1, height - 1)
    head = b"\x76\x2f\x31\x01" + struct.pack("<i", 2) + more
    head += attribute(b"compression", b"compression", bytes([ZIPS]))
    head += attribute(b"dataWindow", b"box2i", box) + attribute(b"displayWindow", b"box2i", box) + b"\0"
    places = [len(head) + 8 * height + row * (8 + len(pixels)) for row in range(height)]
    lines = b"".join(struct.pack("<2i", row, len(pixels)) + pixels for row in range(height))
    return head + struct.pack(f"<{height}Q", *places) + lines


def png(width: int = 16, height: int = 8, length: int = 13) -> bytes:
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)[:length]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", body), (b"IDAT", zlib.compress(b"pixels")), (b"IEND", b"")):
        data += struct.pack(">I", len(content)) + kind + content
        data += struct.pack(">I", zlib.crc32(kind + content))
    return data
