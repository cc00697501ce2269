# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmarks of memory and of sharing the processor: what they start and say; they measure elsewhere."""

from __future__ import annotations

import pytest
import torch

from benchmarks import beside, count_memory, memory
from sync_engine.catalog import models
from sync_engine.catalog.families import known
from sync_engine.catalog.memory import sizes_of
from sync_engine.common.priority import NICE_VARIABLE, WAITING


def test_an_engine_waits_by_itself_unless_it_is_to_spin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    quiet, spinning = beside.environment(7, False), beside.environment(0, True)
    assert quiet[NICE_VARIABLE] == "7"
    assert not set(WAITING) & set(quiet)
    assert set(WAITING) <= set(spinning)
    assert "OMP_NUM_THREADS" not in quiet


def test_its_tables_are_ratios_of_medians() -> None:
    runs = [{"denoise": seconds, "wall": seconds + 4} for seconds in (9.0, 10.0, 50.0)]
    report = {
        "worlds": {"alone": runs, "busy loop": [{"denoise": 15.0, "wall": 20.0}], "training": []},
        "frames": {"alone": [100.0], "with the engine": [75.0]},
    }
    told = beside.words(report)
    assert "| busy loop | 15.0 | 1.50 | 20.0 |" in told
    assert "100 frames a minute, 75 beside the engine: 25% less" in told


def test_something_beside_is_ended() -> None:
    with beside.beside("alone", 256, {}):
        pass


def test_psnr_is_over_the_range() -> None:
    wanted = torch.tensor([0.0, 1.0])
    assert memory.psnr(wanted, wanted) == float("inf")
    assert memory.psnr(wanted + 0.1, wanted) == pytest.approx(20.0, abs=1e-3)


def test_what_a_network_holds_is_counted_without_its_weights() -> None:
    """A product of 4 × 1000 by 1000 × 500 and its square: 2 × 4 × 500 numbers live at once."""
    layer = torch.nn.Linear(1000, 500, bias=False)
    seen = torch.ones(4, 1000)
    assert count_memory.peak_of(layer, lambda: layer(seen).square()) == 2 * 4 * 500 * 4


@pytest.mark.parametrize("name", ["sd-1.5", "flux2-klein"])
def test_the_table_has_the_counted_sizes(name: str) -> None:
    """The denoisers are built without numbers."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    sizes = sizes_of(models.TABLE[name])
    assert sizes is not None
    with FakeTensorMode(allow_non_fake_inputs=True):
        network, _ = count_memory.DENOISERS[name]()
    assert count_memory.millions(network) == pytest.approx(sizes.denoiser, abs=0.1)


def test_every_row_with_weights_of_its_own_knows_its_family() -> None:
    names = {family.name for family in known()}
    for row in models.TABLE.values():
        assert row.name == "draft" or (row.family in names and row.parameters)
