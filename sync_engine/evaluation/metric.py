# SPDX-License-Identifier: GPL-3.0-or-later
"""What every metric is: figures of one picture, and figures of all pictures together."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch

from sync_engine.evaluation.picture import Picture

Figures = dict[str, float]


class Metric:
    """A metric. What it needs (weights, packages, a reference) is checked when it is built.

    A figure that a picture cannot have (a seam of a plate, a pair of crops of a square) is left out.
    """

    def measure(self, picture: Picture) -> Figures:
        """Take one picture in and return the figures that it has by itself."""
        return {}

    def summary(self) -> Figures:
        """Return the figures that only the whole set has."""
        return {}


def over_pairs(items: list, apart: Callable[..., torch.Tensor]) -> list[float]:
    """Return the distance of every pair of different items."""
    return [float(apart(a, b)) for a, b in itertools.combinations(items, 2)]
