# SPDX-License-Identifier: GPL-3.0-or-later
"""The method ``multidiffusion``: windows meet in their overlap and nowhere else (Bar-Tal et al. 2023)."""

from __future__ import annotations

from ..method import Method, MethodSettings


class MultiDiffusion(Method[MethodSettings]):
    """The joint loop as it is."""

    name = "multidiffusion"
    label = "Blend"
    help = "Windows are only blended where they overlap. Fastest, less coherent"
    rank = 1


METHOD = MultiDiffusion()
