# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the wrap of a world stands among its other columns."""

from __future__ import annotations

import statistics

import numpy as np
import torch

from sync_engine.evaluation.discontinuity import score
from sync_engine.radiance.srgb import from_linear

COLUMNS = 32


def displayed(radiance: np.ndarray) -> torch.Tensor:
    """Return linear radiance ``(H, W, 3)`` as sRGB ``(3, H, W)`` whose brightest hundredth is white."""
    luminance = radiance @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    white = max(float(np.quantile(luminance, 0.99)), 1e-6)
    return torch.from_numpy(from_linear(np.clip(radiance / white, 0, 1))).permute(2, 0, 1)


def wrap_ratio(picture: torch.Tensor) -> float:
    """Return the Discontinuity Score at the wrap over its median at 32 columns inside; 1 is no seam."""
    width = picture.shape[2]
    inside = [score(picture, round((i + 1) * width / (COLUMNS + 1))) for i in range(COLUMNS)]
    return score(picture, 0) / statistics.median(inside)
