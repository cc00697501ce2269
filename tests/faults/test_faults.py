# SPDX-License-Identifier: GPL-3.0-or-later
"""A quick share of the faults: a few seeds of each kind. ``make faults`` tries many."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import torch

from tests.faults import disks, folders
from tests.faults.kills import Kills, small_specs
from tests.faults.trials import TRIALS

SEEDS = 12
needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="kills forks of itself; without, it would check what killed jobs leave"
)


def tried(trial, seeds: int, tmp_path: Path) -> None:
    for seed in range(seeds):
        folder = tmp_path / str(seed)
        folder.mkdir()
        wrong = trial(random.Random(seed), folder)
        assert wrong is None or " took " in wrong, f"seed {seed}: {wrong}"  # times are make faults' business


@pytest.mark.parametrize("kind", TRIALS)
def test_faults_end_before_or_after(tmp_path: Path, kind: str) -> None:
    tried(TRIALS[kind], SEEDS, tmp_path)


@pytest.mark.slow
def test_every_write_finds_a_full_disk(tmp_path: Path) -> None:
    tried(disks.full_disk, 1, tmp_path)


@needs_fork
def test_two_writers(tmp_path: Path) -> None:
    tried(disks.two_writers, 4, tmp_path)


@pytest.mark.slow
def test_evil_models(tmp_path: Path) -> None:
    tried(folders.evil_model, SEEDS, tmp_path)


@pytest.mark.slow
def test_a_hub_that_lies(tmp_path: Path) -> None:
    tried(folders.lying_hub, 4, tmp_path)


@pytest.fixture
def mounts(tmp_path: Path) -> None:
    place = tmp_path / "probe"
    place.mkdir()
    refusal = disks.can_mount(place)
    if refusal:
        pytest.skip(f"{refusal}; it would check what a full or powerless disk has")


@pytest.mark.slow
@pytest.mark.usefixtures("mounts")
def test_a_full_file_system(tmp_path: Path) -> None:
    tried(disks.full_file_system, 2, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("mounts")
def test_power_cuts(tmp_path: Path) -> None:
    tried(disks.power_cut, 2, tmp_path)
    (tmp_path / "control").mkdir()
    lost = disks.power_cut(random.Random(0), tmp_path / "control", synced=False)
    assert lost is not None, "a disk that is never synced loses what was told as done"


@pytest.mark.slow
@needs_fork
def test_killed_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sync_engine.runtime import checkpoint

    monkeypatch.setattr(checkpoint, "EVERY_S", checkpoint.EVERY_S)  # Kills changes them
    monkeypatch.setattr(checkpoint, "SHARE", checkpoint.SHARE)
    threads = torch.get_num_threads()
    kills = Kills(small_specs(tmp_path), tmp_path)
    for seed in range(4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        assert kills.trial(random.Random(seed), folder) is None, f"seed {seed}"
    torch.set_num_threads(threads)
    assert sum(kills.seen.stages.values()) == 4
