# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundled decoder leaves no weave in what the bundled denoiser paints."""

from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the draft model needs it; its pictures would be looked at")

import torch

from sync_engine.evaluation.weave import harmonics_over_neighbours, power_spectra
from training.checkpoints import EXPORT_FOLDER
from training.finished_views import Finisher

PROMPTS = [
    "purple nebula in outer space",
    "sand dunes at noon, clear sky, looking at the horizon",
    "city street at night, looking at the horizon",
    "living room, morning, looking at the horizon",
    "pine forest in the afternoon, looking at the horizon",
    "ocean at sunset, looking down at the ground",
]
LIMIT = 1.5
"""Power at a period of 2.7 pixels over its neighbours', geometric mean of these six views, which scatter. The
weights of 27 November 2026 have 1.2 across and 2.8 down. Periods of 8 and 4 pixels are the denoiser's too."""


@pytest.mark.slow
def test_painted_views_have_no_weave_of_the_last_enlargement() -> None:
    torch.manual_seed(1)
    finisher = Finisher(str(EXPORT_FOLDER.resolve()), torch.device("cpu"))
    latents = finisher(torch.zeros(len(PROMPTS), 8, 32, 32), PROMPTS, first=0)
    with torch.no_grad():
        pictures = finisher.pipeline.vae.decode(latents.float()).sample.clamp(-1, 1) / 2 + 0.5
    assert pictures.std() > 0.1
    ratios = harmonics_over_neighbours(power_spectra(pictures)).log().mean(dim=0).exp()
    assert (ratios[:, 2] < LIMIT).all(), ratios


def test_the_measure_finds_a_weave_of_a_fiftieth() -> None:
    torch.manual_seed(0)
    rough = torch.randn(2, 3, 256, 256).cumsum(-1).cumsum(-2)
    rough = rough / rough.std() * 0.2 + 0.5
    weave = 0.02 * torch.cos(torch.arange(256) * 2 * torch.pi * 3 / 8)
    ratios = harmonics_over_neighbours(power_spectra(rough + weave).mean(dim=0))
    assert ratios[0, 2] > 1.3 > ratios[1, 2]
