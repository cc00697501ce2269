# SPDX-License-Identifier: GPL-3.0-or-later
"""The small learned head: how strong the lights of a picture are, from its features.

Kernel ridge regression on ``log k``, where ``k`` is the irradiance that the lights add on a surface
that faces them, over what the rest of the picture gives it. Trained by ``training/light.py``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

WEIGHTS = Path(__file__).with_name("light.safetensors")
GAMMA, LINEAR_SHARE, RIDGE = 0.06, 0.02, 0.1
"""k(a, b) = exp(-GAMMA |a - b|²) + LINEAR_SHARE a·b on standardised features; ridge of a real picture."""
CAUTION = 0.55
"""Subtracted from log k: twice too strong is as wrong as no light at all, half as strong is not."""
LOWEST, HIGHEST = 0.003, 60.0
"""Range of k in training; what is predicted at its lower end is no light."""
LIMIT = 3.0
"""Standardised features are clipped here: a head knows nothing beyond what it has seen."""


def standardised(values: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return features in units of their spread, clipped."""
    return np.clip((values - mean) / deviation, -LIMIT, LIMIT)


def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return ``(A, B)`` similarities of standardised features ``(A, F)`` and ``(B, F)``."""
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2 * first @ second.T
    return np.exp(-GAMMA * np.maximum(squared, 0)) + LINEAR_SHARE * first @ second.T


def predict(values: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Return log k of features ``(N, F)``, without caution."""
    seen = standardised(values, weights["mean"], weights["deviation"])
    return kernel(seen, weights["support"]) @ weights["coefficients"] + weights["bias"]


@lru_cache(maxsize=1)
def load() -> dict[str, np.ndarray]:
    """Read the bundled coefficients."""
    from safetensors.numpy import load_file

    return {name: value.astype(np.float64) for name, value in load_file(WEIGHTS).items()}


def strength(values: np.ndarray, weights: dict[str, np.ndarray] | None = None) -> float:
    """Return k for the features ``(F,)`` of one picture; 0 where there is no light to speak of."""
    k = float(np.exp(predict(values[None], weights or load())[0] - CAUTION))
    return 0.0 if k < 2 * LOWEST else min(k, HIGHEST)
