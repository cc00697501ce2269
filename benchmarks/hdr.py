# SPDX-License-Identifier: GPL-3.0-or-later
"""Radiance pictures (.hdr) to arrays: real panoramas to compare with."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def read_hdr(file: Path) -> np.ndarray:
    """Return the linear radiance ``(H, W, 3)`` of a run-length coded RGBE file, rows from top to bottom.

    Raises ValueError for another coding or orientation.
    """
    data = file.read_bytes()
    header, _, rest = data.partition(b"\n\n")
    size, _, body = rest.partition(b"\n")
    words = size.split()
    if b"32-bit_rle_rgbe" not in header or len(words) != 4 or (words[0], words[2]) != (b"-Y", b"+X"):
        raise ValueError(f"{file} is not a Radiance picture of the usual orientation")
    height, width = int(words[1]), int(words[3])
    rgbe = np.empty((height, 4, width), np.uint8)
    place = 0
    for row in rgbe:
        if body[place : place + 4] != bytes((2, 2, width >> 8, width & 255)):
            raise ValueError(f"{file} is not run-length coded")
        place += 4
        for channel in row:
            place = _unpack(body, place, channel)
    mantissa = rgbe[:, :3].transpose(0, 2, 1).astype(np.float32)
    exponent = rgbe[:, 3, :, None].astype(np.float32)
    return np.where(exponent > 0, (mantissa + 0.5) * np.exp2(exponent - 136), 0).astype(np.float32)


def _unpack(body: bytes, place: int, channel: np.ndarray) -> int:
    """Fill one channel of a row from packed bytes; return where the next one begins."""
    done = 0
    while done < len(channel):
        count = body[place]
        if count > 128:
            count -= 128
            channel[done : done + count] = body[place + 1]
            place += 2
        else:
            channel[done : done + count] = np.frombuffer(body, np.uint8, count, place + 1)
            place += 1 + count
        done += count
    return place
