# SPDX-License-Identifier: GPL-3.0-or-later
"""Short memory and compilation: parts take turns on the device, a large view is decoded in tiles."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from sync_engine.backbones import backbone as backbone_module
from sync_engine.backbones import placement
from sync_engine.backbones.backbone import Backbone
from sync_engine.backbones.loading import load
from sync_engine.backbones.sequential_offload import OFFLOAD_DEVICE, SequentialOffload
from sync_engine.canvas.tiled_decode import TiledFallbackDecoder
from sync_engine.catalog import models
from sync_engine.catalog.memory import sizes_of
from sync_engine.common.progress import Reporter
from sync_engine.interface.memory_plan import MemoryPlan
from sync_engine.interface.messages import Progress, Stage
from sync_engine.runtime.job import Engine
from tests.small_models import tiny, tiny_flow, tiny_xl

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Part(torch.nn.Linear):
    """A part that writes down where it was put."""

    def __init__(self, name: str, moves: list[tuple[str, str]]) -> None:
        super().__init__(2, 2)
        self.name, self.moves = name, moves

    def to(self, device):
        self.moves.append((self.name, torch.device(device).type))
        return self


def test_one_group_at_a_time_is_on_the_device() -> None:
    moves: list[tuple[str, str]] = []
    first, second, denoiser = (Part(name, moves) for name in ("first", "second", "denoiser"))
    turns = SequentialOffload(CUDA, [[first, second], [denoiser]])
    assert moves == [("first", "cpu"), ("second", "cpu"), ("denoiser", "cpu")]
    moves.clear()
    some = torch.zeros(1, 2)
    first(some)
    assert moves == [("first", "cuda"), ("second", "cuda")]
    second(some)
    assert len(moves) == 2, "the group is there already"
    moves.clear()
    denoiser(some)
    denoiser(some)
    assert moves == [("first", "cpu"), ("second", "cpu"), ("denoiser", "cuda")]
    moves.clear()
    turns.bring(())
    assert moves == [("denoiser", "cpu")]


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch, tiny_folder: Path):
    """Load a small model as if it were onto a GPU with so much free memory; its parts stay where they are."""

    def place(free_gb: float, offload: str) -> Any:
        backbone: Any = load(models.find(str(tiny_folder)), CPU, torch.float32)
        monkeypatch.setattr(torch.nn.Module, "to", lambda self, *args, **options: self)
        monkeypatch.setattr(backbone_module, "lend_layers", lambda network, device: None)
        monkeypatch.setattr(placement, "free_memory_gb", lambda device: free_gb)
        row = models.find(str(tiny_folder))
        plan = placement.plan_on(CUDA, torch.float32, sizes_of(row, tiny_folder), "auto", offload)
        assert plan is not None
        backbone.device = CUDA
        backbone.place(plan)
        backbone.notes += placement.notes_on(CUDA, plan, "auto", offload)
        return backbone

    return place


@pytest.mark.parametrize(
    ("free", "offload", "turns", "notes"),
    [
        (80.0, "auto", False, False),
        (0.01, "auto", False, True),
        (0.01, "none", False, True),
        (80.0, "model", True, False),
    ],
)
def test_the_free_memory_decides(placed, free: float, offload: str, turns: bool, notes: bool) -> None:
    backbone = placed(free, offload)
    assert (backbone._offloader is not None, bool(backbone.notes)) == (turns, notes)


@pytest.mark.parametrize(("offload", "compiled"), [("none", 1), ("model", 0)])
def test_compile_is_for_a_denoiser_that_stays_on_its_gpu(
    placed, monkeypatch, tmp_path: Path, offload: str, compiled: int
) -> None:
    """The U-Net has two repeated blocks, in its ends; they are compiled, the rest is not."""
    monkeypatch.setenv("SYNCSCAPE_MODELS", str(tmp_path))
    monkeypatch.delenv(backbone_module.COMPILED_VARIABLE, raising=False)
    backbone = placed(80.0, offload)
    calls: list[str] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: calls.append(type(self).__name__))
    backbone.compile()
    blocks = [type(part).__name__ for part in backbone.denoiser.modules()].count("BasicTransformerBlock")
    assert blocks > 1
    assert calls == ["BasicTransformerBlock"] * blocks * compiled
    assert len(backbone.notes) == 1 - compiled
    assert (os.environ.pop(backbone_module.COMPILED_VARIABLE, "") == str(tmp_path / "compiled")) == bool(
        compiled
    )


def plate(folder: Path, out: Path, **options) -> tuple[bytes, list[str]]:
    spec = tiny.plate_spec(folder, steps=2, **options)
    told: list = []
    files, _ = Engine().run(spec, out, Reporter("job", told.append))
    notes = [event.note for event in told if isinstance(event, Progress) and event.note]
    return Path(files["image"]).read_bytes()[-1000:], notes


@pytest.mark.slow
def test_on_a_cpu_both_are_left_out_with_a_note(tmp_path: Path, tiny_folder: Path) -> None:
    plain, notes = plate(tiny_folder, tmp_path / "a")
    assert notes == []
    picture, notes = plate(tiny_folder, tmp_path / "b", offload="model", compile=True)
    assert any("Offloading has no use on cpu" in note for note in notes)
    assert any("compile was left out" in note for note in notes)
    assert picture == plain


@pytest.mark.slow
@pytest.mark.parametrize("build", [tiny.build, tiny_xl.build, tiny_flow.build_z_image, tiny_flow.build_klein])
def test_with_turns_the_picture_is_the_same(tmp_path: Path, monkeypatch, build) -> None:
    """Every part that computes has to be the one that was brought; on a CPU a wrong one would not fail."""
    folder = build(tmp_path / "m")
    monkeypatch.setitem(
        models.TABLE,
        "small",
        models.Model(
            name="small", source=str(folder), title="", licence="", steps=2, guidance=1.0, window=128
        ),
    )
    plain, _ = plate(Path("small"), tmp_path / "a")
    at_denoiser: list[bool] = []
    at_decode: list[object] = []

    def place(self, plan: MemoryPlan) -> None:
        self._offloader = SequentialOffload(torch.device(OFFLOAD_DEVICE), [self.encoders, [self.denoiser]])
        self.denoiser.register_forward_pre_hook(
            lambda *_: at_denoiser.append(list(self._offloader._here) == [self.denoiser])
        )

    def decode(self, latents):
        at_decode.append(self.model._offloader._here)
        return self.model.decode(latents)

    monkeypatch.setattr(Backbone, "place", place)
    monkeypatch.setattr(TiledFallbackDecoder, "__call__", decode)
    picture, _ = plate(Path("small"), tmp_path / "b")
    assert picture == plain
    assert at_denoiser
    assert all(at_denoiser)
    assert at_decode
    assert not any(at_decode), "the denoiser goes before the picture is decoded"


@pytest.mark.slow
def test_a_view_that_does_not_fit_is_decoded_in_tiles(tmp_path: Path) -> None:
    backbone: Any = load(models.find(str(tiny.build(tmp_path / "m", tiny_vae=False))), CPU, torch.float32)
    latents = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(1))
    whole = backbone.decode(latents)
    decoder, sides = backbone.vae.decoder.forward, []

    def short_of_memory(sample, *args, **options):
        sides.append(sample.shape[-1])
        if sample.shape[-1] > backbone_module.TILE_CELLS:
            raise RuntimeError("CUDA out of memory")
        return decoder(sample, *args, **options)

    backbone.vae.decoder.forward = short_of_memory
    notes: list[str] = []
    sparing = TiledFallbackDecoder(backbone, notes.append)
    picture = sparing(latents)
    assert picture.shape == whole.shape
    assert max(sides[1:]) == backbone_module.TILE_CELLS
    assert len(notes) == 1
    sparing(latents)
    assert len(notes) == 1
    backbone.vae.decoder.forward = lambda *_: (_ for _ in ()).throw(RuntimeError("CUDA out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        sparing(latents)


def test_another_error_is_not_taken_for_short_memory(tmp_path: Path, tiny_folder: Path) -> None:
    backbone: Any = load(models.find(str(tiny_folder)), CPU, torch.float32)
    with pytest.raises(RuntimeError, match="channels"):
        TiledFallbackDecoder(backbone, lambda note: None)(torch.zeros(1, 3, 8, 8))
    assert not backbone.vae.use_tiling


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available(),
    reason="no CUDA device; it would check that encoders leave the GPU's memory",
)
def test_turns_free_the_memory_of_the_gpu(tmp_path: Path) -> None:
    folder = tiny_xl.build(tmp_path / "m")
    backbone: Any = load(models.find(str(folder)), CUDA, torch.float32, offload="model")
    backbone.encode(["a calm sea"])
    with_encoders = torch.cuda.memory_allocated()
    backbone.offload_for(Stage.DECODE)
    assert torch.cuda.memory_allocated() < with_encoders
