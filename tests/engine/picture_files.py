# SPDX-License-Identifier: GPL-3.0-or-later
"""Small picture files of unusual kinds, and damaged ones, for the tests of what reads them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import OpenEXR

HEIGHT, WIDTH = 64, 128


def colours(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return ``(H, W, 3)`` in [0, 1]: smooth, and other in each corner and channel."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([x / (width - 1), y / (height - 1), 0.5 + 0.4 * np.sin(x / 9)], axis=-1)


def write_exr(path: Path, channels: dict[str, np.ndarray], **header: object) -> Path:
    """Write channels as an EXR with more header attributes."""
    head = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage} | header
    with OpenEXR.File(head, channels) as file:
        file.write(str(path))
    return path


def window(left: int, top: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a data or display window as OpenEXR wants it."""
    first = np.array([left, top], dtype=np.int32)
    return first, first + np.array([width - 1, height - 1], dtype=np.int32)


def layer(pixels: np.ndarray, name: str, dtype: type = np.float32) -> dict[str, np.ndarray]:
    """Return the channels of a layer; ``{}`` in the name stands for R, G and B."""
    return {name.format(c): np.ascontiguousarray(pixels[..., i], dtype=dtype) for i, c in enumerate("RGB")}


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of these chunks and an end."""
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in (*chunks, (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data


def png_of(pixels: np.ndarray, *more: tuple[bytes, bytes]) -> bytes:
    """Return 8-bit RGB as a PNG, with more chunks before the pixels."""
    height, width = pixels.shape[:2]
    rows = np.insert(pixels.reshape(height, -1), 0, 0, axis=1).astype(np.uint8)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png((b"IHDR", header), *more, (b"IDAT", zlib.compress(rows.tobytes())))


def rgbe(pixels: np.ndarray, packed: bool) -> bytes:
    """Return linear light as a Radiance picture, flat or run-length encoded."""
    height, width = pixels.shape[:2]
    mantissa, exponent = np.frexp(pixels.max(axis=-1))
    scale = mantissa * 256 / np.maximum(pixels.max(axis=-1), 1e-9)
    data = np.concatenate([pixels * scale[..., None], (exponent + 128)[..., None]], axis=-1).astype(np.uint8)
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (height, width)
    if not packed:
        return head + data.tobytes()
    lines = b""
    for row in data:
        lines += b"\x02\x02" + struct.pack(">H", width)
        for component in row.T:
            x = 0
            while x < width:
                same = 1
                while x + same < width and same < 127 and component[x + same] == component[x]:
                    same += 1
                if same > 2:
                    lines += bytes((128 + same, component[x]))
                else:
                    same = min(2, width - x)
                    lines += bytes((same, *component[x : x + same]))
                x += same
    return head + lines
