# SPDX-License-Identifier: GPL-3.0-or-later
"""Pinched poles: are there rays or rings around the zenith and the nadir of a world? Our own measure."""

from __future__ import annotations

import torch

from sync_engine.canvas.views import View, cut_view
from sync_engine.evaluation.metric import Figures, Metric
from sync_engine.evaluation.picture import Picture

FACE = 256
RING = (6, 110)
"""Distances from the pole, in pixels of the face, between which gradients count."""


class Poles(Metric):
    """The squared gradient across the radius over that along it, on a face of 90° around each pole.

    A pole that was pinched has rays and so a large ratio, one that was smeared has rings and a small
    one. Skies are brighter towards the horizon: of 44 photographed worlds the middle eight tenths lie
    between 0.57 and 1.93 at the zenith, between 0.87 and 1.55 at the nadir.
    """

    def measure(self, picture: Picture) -> Figures:
        """Return ``pole_zenith`` and ``pole_nadir`` of a world."""
        if picture.kind == "plate":
            return {}
        return {"pole_zenith": ratio(picture.pixels, 90.0), "pole_nadir": ratio(picture.pixels, -90.0)}


def ratio(pixels: torch.Tensor, elevation: float) -> float:
    """Return the ratio around the pole at ±90° of an equirectangular picture ``(3, H, 2·H)``."""
    face = cut_view(pixels, View(0.0, elevation, 90.0), FACE)[0]
    grey = (face * torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)).sum(dim=0)
    down, right = torch.gradient(grey)
    steps = torch.arange(FACE) + 0.5 - FACE / 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    radius = (x * x + y * y).sqrt()
    ring = (radius >= RING[0]) & (radius <= RING[1])
    along, across = (right * x + down * y) / radius, (down * x - right * y) / radius
    return float(across[ring].square().sum() / along[ring].square().sum().clamp(min=1e-12))
