# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmarks of random models: what they keep when they are stopped, and that they run on a CPU."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import denoiser, instruments, peers, random_model, save_report
from benchmarks.peer_cases import Bench
from sync_engine.sync import embeddings, feature_nets

CPU = torch.device("cpu")


@pytest.fixture
def report() -> dict[str, Any]:
    """A report of ``benchmarks.peers`` before any case has run."""
    return {
        "device": "a test",
        "precision": "float32",
        "width": 512,
        "steps": 1,
        "lpips": "none",
        "denoiser_gflop": 1.0,
        "peer_gflop": 1.0,
        "matmul_peak_tflops": 1.0,
        "failed": {},
        "memory_by_width": {},
        "cases": {},
        "ratios": {},
    }


@pytest.mark.slow
def test_a_stopped_comparison_keeps_its_cases_and_a_failed_one_costs_only_itself(
    tmp_path: Path, report: dict[str, Any]
) -> None:
    bench = Bench(random_model.backbone("small", CPU, torch.float32), 512, 1)
    plain = bench.cases()["multidiffusion"]

    def fail() -> torch.Tensor:
        raise RuntimeError("too large\nfor this device")

    def stop() -> torch.Tensor:
        raise KeyboardInterrupt

    cases = {"sync": fail, "multidiffusion": plain, "sync, all steps": plain, "sync, defaults": stop}
    bench.first_calls = lambda: dict.fromkeys(cases, lambda: bench.state)  # type: ignore[method-assign]
    out = tmp_path / "new" / "peers.json"
    with pytest.raises(KeyboardInterrupt):
        peers.compare(bench, cases, 2, report, lambda: save_report.keep(out, report, peers.in_words(report)))
    found = json.loads(out.read_text())
    assert found["failed"] == {"sync": "too large"}
    assert list(found["cases"]) == ["multidiffusion", "sync, all steps"]
    assert found["cases"]["multidiffusion"]["samples"] == 2
    assert found["ratios"] == {}, "each lacks a case"
    words = out.with_suffix(".md").read_text()
    assert "| sync | failed: too large |" in words
    assert "| multidiffusion | 1 |" in words
    assert sorted(path.name for path in out.parent.iterdir()) == ["peers.json", "peers.md"]


def test_ratios_leave_out_what_has_not_run() -> None:
    found = peers.ratios(
        {"sync": {"s": 3.0}, "multidiffusion": {"s": 2.0}, "sync-paper, all steps": {"s": 9}}
    )
    assert list(found.values()) == [1.5]


@pytest.mark.slow
def test_random_lpips_is_what_the_engine_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lpips", reason="the shape is that of the package's net")
    monkeypatch.setenv(feature_nets.WEIGHTS_VARIABLE, str(tmp_path))
    assert peers.find_lpips(tmp_path / "made") == "random weights of the same shape"
    weights = feature_nets.lpips_weights("vgg")
    assert weights is not None
    assert weights.parent == tmp_path / "made"
    embed = embeddings.lpips_embedding(feature_nets.load_lpips("vgg", weights, CPU), lambda latents: latents)
    layers = embed(torch.rand(1, 3, 32, 32))
    assert [layer.shape[1] for layer in layers] == [64, 128, 256, 512, 512]
    assert all(layer.isfinite().all() for layer in layers)
    assert peers.find_lpips(tmp_path / "again") == "real weights", "found, so none is made"


def test_the_denoiser_is_timed_on_windows_of_the_shape_of_xl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruments, "matmul_peak", lambda device, dtype: 1e12)
    out = tmp_path / "denoiser.json"
    words = ["denoiser", "--device", "cpu", "--steps", "2", "--repeat", "1", "--compile", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    denoiser.main()
    found = json.loads(out.read_text())
    row = found["runs"].pop("eager")
    assert found["runs"] == {}, "a CPU does not compile"
    assert found["windows"] == 5
    assert row["samples"] == 2 * 2 * 5
    assert 0 < row["denoiser_share"] <= 1
    assert row["utilisation"] == pytest.approx(row["denoiser_tflops"])
    assert "| eager |" in out.with_suffix(".md").read_text()
