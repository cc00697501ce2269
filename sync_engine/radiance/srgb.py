# SPDX-License-Identifier: GPL-3.0-or-later
"""The sRGB transfer function (IEC 61966-2-1), both ways."""

from __future__ import annotations

import numpy as np


def to_linear(picture: np.ndarray) -> np.ndarray:
    """Return linear light for sRGB values in [0, 1]; same shape, float32."""
    low, high = picture / 12.92, ((np.maximum(picture, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(picture <= 0.04045, low, high).astype(np.float32)


def from_linear(light: np.ndarray) -> np.ndarray:
    """Return sRGB values for linear light in [0, 1]; same shape, float32."""
    low, high = light * 12.92, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, low, high).astype(np.float32)
