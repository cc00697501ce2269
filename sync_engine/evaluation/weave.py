# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a picture shows its decoder's grid, a weave of 8, 4 and 2.7 pixels. Our own measure."""

from __future__ import annotations

import torch

from sync_engine.evaluation.metric import Figures, Metric
from sync_engine.evaluation.picture import Picture

CELL = 8
"""Pixels of a latent: what repeats with it has periods of 8, 4 (8/2) and 2.7 (8/3) pixels."""
LINE = 128
"""Pixels of the lines that are analysed; they overlap by half and are weighed by a Hann window."""
HARMONICS = tuple(order * LINE // CELL for order in (1, 2, 3))
NEAR, FAR = 3, 7
"""How many bins from a harmonic its neighbours lie; nearer ones hold a part of its own power."""


class Weave(Metric):
    """Power at the periods of the decoder's grid over that of the frequencies beside them.

    Of the mean spectrum of all lines, across and down: 1 without a weave. Of plates only: a world's views are
    resampled, and with them the grid.
    """

    def measure(self, picture: Picture) -> Figures:
        """Return ``weave_across`` and ``weave_down``, each the largest of the three periods'."""
        if picture.kind == "world" or min(picture.pixels.shape[1:]) < LINE:
            return {}
        ratios = harmonics_over_neighbours(power_spectra(picture.pixels[None])[0])
        across, down = ratios.amax(dim=-1).tolist()
        return {"weave_across": across, "weave_down": down}


def power_spectra(pixels: torch.Tensor) -> torch.Tensor:
    """Return each picture's mean power spectrum across and down ``(N, 2, LINE / 2 + 1)``.

    Args:
        pixels: ``(N, 3, H, W)``, H and W at least ``LINE``; the mean of the three colours is looked at.
    """
    grey = pixels.mean(dim=1)
    window = torch.hann_window(LINE, device=pixels.device)
    spectra = []
    for lines in (grey, grey.transpose(1, 2)):
        parts = lines.unfold(-1, LINE, LINE // 2)
        parts = (parts - parts.mean(dim=-1, keepdim=True)) * window
        spectra.append(torch.fft.rfft(parts.contiguous()).abs().square().mean(dim=(1, 2)))
    return torch.stack(spectra, dim=1)


def harmonics_over_neighbours(spectra: torch.Tensor) -> torch.Tensor:
    """Return ``(..., 3)``: power at periods 8, 4 and 2.7 over the geometric mean of their neighbours'."""
    ratios = []
    for peak in HARMONICS:
        below, above = spectra[..., peak - FAR : peak - NEAR + 1], spectra[..., peak + NEAR : peak + FAR + 1]
        beside = torch.cat([below, above], dim=-1).clamp_min(1e-12).log().mean(dim=-1).exp()
        ratios.append(spectra[..., peak] / beside)
    return torch.stack(ratios, dim=-1)
