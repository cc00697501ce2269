# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances as an EXR with a channel Z and a small picture of them as a PNG; for any thread."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import picture_bytes

THUMBNAIL_WIDTH = 256


def write(path: Path, depth: np.ndarray) -> None:
    """Write distances ``(H, W)``, infinite where nothing is, and a picture of them with the suffix .png."""
    picture_bytes.write(path.with_suffix(".png"), picture_bytes.png(thumbnail(depth)[..., None]))
    picture_bytes.write(path, picture_bytes.exr({"Z": depth}))


def thumbnail(depth: np.ndarray) -> np.ndarray:
    """Return a small grey picture ``(h, w)``, 8 bit: near is bright, nothing is black."""
    step = max(1, depth.shape[1] // THUMBNAIL_WIDTH)
    small = depth[step // 2 :: step, step // 2 :: step]
    seen = np.isfinite(small)
    grey = np.zeros(small.shape, dtype=np.uint8)
    if seen.any():
        inverse = 1 / np.maximum(small[seen], 1e-6)
        nearest = np.quantile(inverse, 0.98)
        grey[seen] = (40 + 215 * np.sqrt(np.clip(inverse / nearest, 0, 1))).astype(np.uint8)
    return grey
