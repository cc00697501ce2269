# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a world by any yaw: the place where the picture ends cannot be told from any other column."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sync_engine.catalog.models import DRAFT_FOLDER
from sync_engine.common.progress import Reporter
from sync_engine.evaluation.discontinuity import score
from sync_engine.evaluation.picture import read
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime.job import Engine

PROMPTS = ("sunset over a desert", "city street at night", "snowy mountains", "living room in daylight")
SEEDS = (0, 1)
COLUMNS = 40
DRAWS = 20000
YAWS = (0, 37, 256, 411)

pytestmark = pytest.mark.skipif(
    not (DRAFT_FOLDER / "unet").is_dir(),
    reason="the draft model is not there; it would paint worlds and look for their seam",
)


@pytest.fixture(params=[None, 1.0], ids=["guided", "unguided"])
def worlds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[torch.Tensor]:
    """Eight worlds ``(3, 256, 512)`` of the draft model, whole jobs of few steps, at each guidance."""
    engine, pictures, silent = Engine(), [], Reporter("seam", lambda event: None, wants_preview=False)
    for number, prompt in enumerate(PROMPTS):
        for seed in SEEDS:
            spec = EnvironmentSpec(prompt, width=512, steps=4, seed=seed, guidance=request.param)
            files, _ = engine.run(spec, tmp_path_factory.mktemp("world") / f"{number}-{seed}", silent)
            pictures.append(read(Path(files["image"])).pixels)
    return pictures


def p_value(pictures: list[torch.Tensor], seed: int) -> float:
    """Return how often columns drawn at random rank as far from the middle as the columns 0 do.

    A permutation test: in each picture the score at the wrap is ranked among those at random
    columns; were the wrap a column like others, any of them could have been called the wrap.
    """
    generator = torch.Generator().manual_seed(seed)
    ranks = []
    for picture in pictures:
        others = 4 + torch.randperm(picture.shape[2] - 8, generator=generator)[:COLUMNS]
        scores = torch.tensor([score(picture, column) for column in [0, *others.tolist()]])
        ranks.append(scores.argsort().argsort() / COLUMNS - 0.5)
    table = torch.stack(ranks)
    observed = table[:, 0].mean().abs()
    drawn = torch.randint(COLUMNS + 1, (DRAWS, len(pictures)), generator=generator)
    means = table[torch.arange(len(pictures)), drawn].mean(dim=1).abs()
    return float((means >= observed - 1e-6).float().mean())


@pytest.mark.slow
def test_the_wrap_cannot_be_told_from_random_columns_however_the_world_is_turned(
    worlds: list[torch.Tensor],
) -> None:
    """One test, so that the worlds are painted once, however tests are shared among processes."""
    for yaw in YAWS:
        assert p_value([world.roll(yaw, dims=2) for world in worlds], seed=yaw) > 0.01, yaw
    cut = [world[..., :-4] for world in worlds]  # a step no eye would miss
    assert p_value(cut, seed=0) < 0.01
