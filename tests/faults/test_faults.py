# SPDX-License-Identifier: GPL-3.0-or-later
"""A quick share of the faults: a few seeds of each kind. ``make faults`` tries many."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import torch

from sync_engine.interface.spec import EnvironmentSpec
from tests.faults.kills import Kills
from tests.faults.trials import TRIALS, two_writers
from tests.small_models import tiny

SEEDS = 12
needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="kills forks of itself; without, it would check what killed jobs leave"
)


@pytest.mark.parametrize("kind", [kind for kind, trial in TRIALS.items() if trial is not two_writers])
def test_faults_end_before_or_after(tmp_path: Path, kind: str) -> None:
    for seed in range(SEEDS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        wrong = TRIALS[kind](random.Random(seed), folder)
        assert wrong is None or " took " in wrong, f"seed {seed}: {wrong}"  # times are make faults' business


@needs_fork
def test_two_writers(tmp_path: Path) -> None:
    for seed in range(4):
        (tmp_path / str(seed)).mkdir()
        assert two_writers(random.Random(seed), tmp_path / str(seed)) is None, f"seed {seed}"


@needs_fork
def test_killed_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sync_engine.runtime import checkpoint

    monkeypatch.setattr(checkpoint, "EVERY_S", checkpoint.EVERY_S)  # Kills changes them
    monkeypatch.setattr(checkpoint, "SHARE", checkpoint.SHARE)
    model = tiny.build(tmp_path / "model")
    spec = EnvironmentSpec(
        "a", kind="plate", model=str(model), width=256, height=64, steps=4, seed=3, method="multidiffusion"
    )
    threads = torch.get_num_threads()
    kills = Kills(spec, tmp_path)
    for seed in range(4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        assert kills.trial(random.Random(seed), folder) is None, f"seed {seed}"
    torch.set_num_threads(threads)
    assert sum(kills.moments.values()) == 4
