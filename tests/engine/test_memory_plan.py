# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory plan: counted before loading, the same pictures in each form, a step down if it ran out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sync_engine.backbones import placement
from sync_engine.backbones.backbone import Backbone
from sync_engine.backbones.loading import load
from sync_engine.catalog import models
from sync_engine.catalog.memory import CONTEXT_GB, FORMS, card_gb, peak_gb, plan_for, sizes_of
from sync_engine.common import device as device_module
from sync_engine.common.errors import OutOfMemory
from sync_engine.common.progress import Reporter
from sync_engine.interface.memory_plan import MemoryPlan
from sync_engine.interface.messages import Progress
from sync_engine.runtime.job import Engine
from sync_engine.sync.fast import FastSync
from tests.small_models import tiny, tiny_flow, tiny_xl

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("name", "most"), [("sd-1.5", 3.0), ("sdxl", 6.0), ("z-image-turbo", 8.0), ("flux2-klein", 8.0)]
)
def test_known_models_fit_cards_that_artists_have(name: str, most: float) -> None:
    plan = plan_for(sizes_of(models.TABLE[name]), most - CONTEXT_GB)
    assert plan is not None
    assert plan.fits
    assert plan.offload != "group", "layer by layer is much slower"
    assert card_gb(models.TABLE[name], "fp8", "model") <= most


def test_more_memory_never_makes_a_smaller_plan() -> None:
    sizes = sizes_of(models.TABLE["z-image-turbo"])
    order = [(plan.weights, plan.offload) for free in (2, 5, 8, 13, 25) if (plan := plan_for(sizes, free))]
    ranks = [FORMS.index(form) for form in order]
    assert ranks == sorted(ranks, reverse=True)
    assert (ranks[0], ranks[-1]) == (len(FORMS) - 1, 0)


def test_what_was_asked_for_stays() -> None:
    sizes = sizes_of(models.TABLE["sdxl"])
    for weights, offload in (*FORMS, ("fp8", "none")):
        plan = plan_for(sizes, 1.0, weights=weights, offload=offload)
        assert plan is not None
        assert (plan.weights, plan.offload, plan.fits) == (weights, offload, False)
        assert any("may not fit" in str(sentence) for sentence in plan.sentences())


def test_each_step_down_is_smaller_and_they_end() -> None:
    sizes = sizes_of(models.TABLE["flux2-klein"])
    assert sizes is not None
    plan, peaks = plan_for(sizes, 80.0), []
    while plan is not None:
        peaks.append(peak_gb(sizes, plan))
        plan = plan_for(sizes, 80.0, below=plan)
    assert len(peaks) == len(FORMS)
    assert peaks == sorted(peaks, reverse=True)


def test_a_folder_is_counted_by_the_headers_of_its_files(tmp_path: Path) -> None:
    folder = tiny_xl.build(tmp_path / "m")
    backbone: Any = load(models.find(str(folder)), CPU, torch.float32)
    sizes = sizes_of(models.find(str(folder)), folder)
    assert sizes is not None
    networks = {"denoiser": [backbone.denoiser], "text": backbone.encoders, "decoder": [backbone.vae]}
    for part, modules in networks.items():
        count = sum(value.numel() for module in modules for value in module.parameters()) / 1e6
        assert getattr(sizes, part) == pytest.approx(count, rel=0.01), part
    assert sizes.window == backbone.window * backbone.scale


def test_of_variants_of_one_network_one_counts(tmp_path: Path, tiny_folder: Path) -> None:
    import shutil

    folder = tmp_path / "m"
    shutil.copytree(tiny_folder, folder)
    before = sizes_of(models.find(str(folder)), folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    shutil.copy(weights, weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    shutil.copy(weights, weights.with_name("diffusion_pytorch_model.non_ema.safetensors"))
    assert sizes_of(models.find(str(folder)), folder) == before


def test_a_container_that_is_capped_has_less_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(str(3 * 2**30))
    (tmp_path / "memory.current").write_text(str(2 * 2**30))
    monkeypatch.setattr(device_module, "CONTROL_GROUP", str(tmp_path))
    assert device_module._container_gb() == 1.0
    (tmp_path / "memory.max").write_text("max\n")
    assert device_module._container_gb() == float("inf")


@pytest.mark.slow
@pytest.mark.parametrize("build", [tiny.build, tiny_flow.build_z_image, tiny_flow.build_klein])
def test_lent_layers_compute_the_same_and_8_bits_nearly(tmp_path: Path, build) -> None:
    folder = build(tmp_path / "m")
    row = dataclasses.replace(models.find(str(folder)), window=128)
    latents = torch.randn(2, 16 if build is tiny_flow.build_klein else 4, 8, 8)
    found = {}
    for plan in (MemoryPlan(), MemoryPlan("full", "group"), MemoryPlan("fp8"), MemoryPlan("fp8", "group")):
        model = load_as(row, folder, plan)
        told = tiny.conditioning_for(model, 2, guidance=1.0)
        entries = [entry for number in range(2) for entry in told.entries_of(number)]
        with torch.no_grad():
            found[plan.weights, plan.offload] = model.predict(latents, torch.tensor(500.0), told, entries)
    plain = found["full", "none"]
    torch.testing.assert_close(found["full", "group"], plain, rtol=0, atol=1e-6)
    torch.testing.assert_close(found["fp8", "group"], found["fp8", "none"], rtol=0, atol=1e-6)
    error = (found["fp8", "none"] - plain).square().mean()
    assert 0 < error < 0.01 * plain.square().mean()


def load_as(row: models.Model, folder: Path, plan: MemoryPlan) -> Any:
    from sync_engine.backbones.loading import load_from, read_index

    return load_from(row, folder, read_index(folder), CPU, torch.float32, (), plan)


@pytest.mark.slow
def test_a_job_that_runs_out_of_memory_goes_on_smaller(tmp_path: Path, tiny_folder: Path) -> None:
    """A model whose weights are whole cannot decode; one in 8 bits can."""
    calls: list[str] = []
    whole = Backbone.decode

    def decode(self, latents):
        calls.append(self.memory.weights)
        if self.memory.weights == "full":
            raise RuntimeError("CUDA out of memory: a stand-in")
        return whole(self, latents)

    told: list = []
    patch = pytest.MonkeyPatch()
    patch.setattr(Backbone, "decode", decode)
    patch.setattr(Backbone, "decode_in_tiles", lambda self: False)
    engine = Engine()
    try:
        spec = tiny.plate_spec(tiny_folder, steps=2)
        files, _ = engine.run(spec, tmp_path / "a", Reporter("job", told.append))
        first = len(calls)
        again, _ = engine.run(spec, tmp_path / "b", Reporter("job", told.append))
    finally:
        patch.undo()
    assert calls[0] == "full"
    assert "full" not in calls[first:], "the second job begins as the first ended"
    record = json.loads(Path(files["spec"]).read_text())
    assert record["spec"]["weights"] == "fp8"
    assert record["engine"]["memory_plan"]["weights"] == "fp8"
    assert any("smaller weights" in (event.note or "") for event in told if isinstance(event, Progress))
    assert Path(again["image"]).read_bytes()[-500:] == Path(files["image"]).read_bytes()[-500:]


@pytest.mark.slow
def test_with_nothing_smaller_left_it_is_told(tmp_path: Path, tiny_folder: Path, monkeypatch) -> None:
    def decode(self, latents):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Backbone, "decode", decode)
    monkeypatch.setattr(Backbone, "decode_in_tiles", lambda self: False)
    with pytest.raises(OutOfMemory):
        Engine().run(tiny.plate_spec(tiny_folder, steps=1), tmp_path / "a", Reporter("job", lambda _: None))
    assert not (tmp_path / "a").exists()


def test_a_processor_keeps_weights_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = sizes_of(models.TABLE["sdxl"])
    assert placement.plan_on(CPU, torch.float32, sizes, "auto", "auto") == MemoryPlan()
    assert placement.plan_on(CPU, torch.float32, sizes, "fp8", "auto") == MemoryPlan("fp8")
    mps = torch.device("mps")
    plan = placement.plan_on(mps, torch.float16, sizes, "fp8", "model")
    assert plan is not None
    assert plan == MemoryPlan()
    assert len(placement.notes_on(mps, plan, "fp8", "model")) == 2
    assert placement.plan_on(mps, torch.float16, sizes, "auto", "auto", MemoryPlan()) is None


def test_a_plan_crosses_the_door() -> None:
    plan = plan_for(sizes_of(models.TABLE["sdxl"]), 5.0)
    assert plan is not None
    assert MemoryPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    assert MemoryPlan.from_dict(None) is None
    assert MemoryPlan.from_dict({"peak_gb": "many"}) is None


@pytest.mark.slow
def test_a_gradient_step_that_runs_out_of_memory_takes_fewer_windows() -> None:
    """As if it had begun with so many; windows that were moved before are moved once."""

    def short(latents: torch.Tensor) -> list[torch.Tensor]:
        if latents.requires_grad and len(latents) > 2:
            raise RuntimeError("out of memory: a stand-in")
        return [latents.square()]

    x0 = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    rows = [[3, 0, 1, 2, 4, 5]]
    found = []
    for batch in (8, 2):
        sync = FastSync(short, 1.0, 1, 1.0, batch)
        found.append(sync(0, x0, x0, rows, lambda windows, numbers: windows)[1])
        assert sync.batch <= 2
    torch.testing.assert_close(found[0], found[1])
    assert (found[0] - x0).abs().max() > 0

    def never(latents: torch.Tensor) -> list[torch.Tensor]:
        raise RuntimeError("out of memory: a stand-in")

    with pytest.raises(RuntimeError, match="out of memory"):
        FastSync(never, 1.0, 1, 1.0, 8)(0, x0, x0, rows, lambda windows, numbers: windows)
