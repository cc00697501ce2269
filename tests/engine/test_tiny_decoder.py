# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny decoders: previews and the pull of sync use one, the picture never does; fetched with their models."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from sync_engine.backbones import tiny_decoder
from sync_engine.backbones.loading import load, read_index
from sync_engine.catalog import models
from sync_engine.catalog.models import Model
from sync_engine.cli import models as models_command
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.progress import Reporter
from sync_engine.downloads import hub, inventory, store
from sync_engine.interface.messages import EXIT_STATUS, Progress
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime.job import Engine
from sync_engine.runtime.plan import JobPlan
from sync_engine.sync import feature_nets
from sync_engine.sync.method import SyncContext
from sync_engine.sync.methods import METHODS
from tests.small_models import tiny, tiny_flow, tiny_xl
from tests.small_models.fake_hub import REVISION, FakeHub

CPU = torch.device("cpu")


def write(folder: Path, channels: int = 4, blocks: int = 4) -> Path:
    """Write a random tiny autoencoder as its repository has it: one part, at the top."""
    from diffusers import AutoencoderTiny

    torch.manual_seed(4)
    sides = (8,) * blocks
    AutoencoderTiny(
        latent_channels=channels,
        encoder_block_out_channels=sides,
        decoder_block_out_channels=sides,
        num_encoder_blocks=(1,) * blocks,
        num_decoder_blocks=(1,) * blocks,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("model"), tiny_vae=False)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tiny"))


def test_it_decodes_what_diffusers_own_decodes(folder: Path, decoder: Path) -> None:
    from diffusers import AutoencoderTiny, StableDiffusionPipeline

    backbone = load(models.find(str(folder)), CPU, torch.float32)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
    own = backbone.decode(latents)
    torch.testing.assert_close(backbone.preview_decode(latents), own)
    backbone.tiny = tiny_decoder.load(decoder, backbone)
    quick = backbone.preview_decode(latents)
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    vae = AutoencoderTiny.from_pretrained(decoder)
    theirs = vae.decode(latents / vae.config.scaling_factor).sample
    torch.testing.assert_close(quick, theirs, rtol=0, atol=1e-5)
    assert pipeline.vae.config.scaling_factor != vae.config.scaling_factor, (
        "the two scale latents differently"
    )
    assert (quick - own).abs().max() > 1e-2
    (gradient,) = torch.autograd.grad(quick.sum(), latents)
    assert gradient.abs().max() > 0
    torch.testing.assert_close(backbone.decode(latents), own, rtol=0, atol=0)


def run(folder: Path, out: Path, decoder: str, method: str = "sync") -> tuple[bytes, str, dict[str, int]]:
    """Make a plate; return it, the decoder that its settings name, and how often each decoder ran."""
    engine, calls = Engine(), {"own": 0, "tiny": 0}
    spec = tiny.plate_spec(folder, method=method, steps=4, sync_steps=1, guidance=1.0, tiny_decoder=decoder)
    backbone = engine.model(JobPlan.of(spec, models.find(spec.model)))
    loading, vae = tiny_decoder.load, backbone.vae.decode

    def count(name, function):
        def counted(*args, **options):
            calls[name] += 1
            return function(*args, **options)

        return counted

    def loaded(*args):
        made = loading(*args)
        made.decode = count("tiny", made.decode)
        return made

    backbone.vae.decode = count("own", vae)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_decoder, "load", loaded)
        patch.setattr("sync_engine.runtime.live_preview.PREVIEW_EVERY_S", 0.0)
        patch.setattr("sync_engine.runtime.live_preview.PREVIEW_SHARE", 1e9)
        files, _ = engine.run(spec, out, Reporter("job", lambda event: None, wants_preview=True))
    named = json.loads(Path(files["spec"]).read_text())["spec"]["tiny_decoder"]
    return Path(files["image"]).read_bytes(), named, calls


@pytest.mark.slow
def test_previews_and_the_pull_use_it_and_the_picture_does_not(
    tmp_path: Path, folder: Path, decoder: Path
) -> None:
    with_tiny, named, calls = run(folder, tmp_path / "a", str(decoder))
    assert named == str(decoder)
    assert calls["tiny"] > 4, "four previews and the pull"
    assert calls["own"] == 1, "the picture, in one tile"
    without, named, calls = run(folder, tmp_path / "b", "none")
    assert named == "none"
    assert calls["tiny"] == 0
    assert calls["own"] > 5
    assert with_tiny[-1000:] != without[-1000:], "the pull looks through another decoder"


@pytest.mark.slow
def test_without_a_pull_the_picture_is_the_same(tmp_path: Path, folder: Path, decoder: Path) -> None:
    first, _, calls = run(folder, tmp_path / "a", str(decoder), "multidiffusion")
    assert calls["tiny"] > 0
    second, _, _ = run(folder, tmp_path / "b", "none", "multidiffusion")
    assert first[-1000:] == second[-1000:]


def test_the_papers_method_keeps_the_models_own(folder: Path, decoder: Path, monkeypatch) -> None:
    monkeypatch.delenv(feature_nets.WEIGHTS_VARIABLE, raising=False)
    backbone = load(models.find(str(folder)), CPU, torch.float32)
    backbone.tiny = tiny_decoder.load(decoder, backbone)
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    method = METHODS["sync-paper"]
    chosen = method.settings(EnvironmentSpec("a", method=method.name), 10, backbone.folder)
    context = SyncContext(model=backbone, batch=1)
    seen = method.build(chosen, context).embed(latents)  # type: ignore[attr-defined]
    backbone.tiny = None
    alone = method.build(chosen, context).embed(latents)  # type: ignore[attr-defined]
    for layer, own in zip(seen, alone, strict=True):
        torch.testing.assert_close(layer, own)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda path: tiny.build(path, tiny_vae=False), "taesd"),
        (tiny.build, None),
        (tiny_xl.build, "taesdxl"),
        (tiny_flow.build_z_image, "taef1"),
        (tiny_flow.build_klein, None),
    ],
)
def test_the_family_names_the_decoder(tmp_path: Path, build, expected: str | None) -> None:
    row = models.tiny_decoder_of(read_index(build(tmp_path / "m")))
    assert (row.name if row else None) == expected


def test_the_table_is_pinned() -> None:
    for row in models.TINY_DECODERS.values():
        assert len(row.revision) == 40
        assert models.find(row.name) is row


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent", "has no config.json"),
        ("taesd", "not on this computer"),
        ("model/unet", "of class UNet2D"),
        ("sixteen", "16 channels"),
        ("small", "4 pixels a cell"),
        ("cut", "cut off"),
    ],
)
def test_one_that_cannot_be_used(tmp_path: Path, folder: Path, monkeypatch, name: str, words: str) -> None:
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "sixteen", channels=16)
    write(tmp_path / "small", blocks=3)
    weights = write(tmp_path / "cut") / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    named = name if name == "taesd" else str(folder / "unet") if "unet" in name else str(tmp_path / name)

    def use() -> None:
        _, found = tiny_decoder.find(named, read_index(folder))
        assert found is not None
        tiny_decoder.load(found, load(models.find(str(folder)), CPU, torch.float32))

    with pytest.raises(ModelNotAvailable, match=words) as refused:
        use()
    assert refused.value.hint
    assert EXIT_STATUS[refused.value.code] == 3


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub, "WAITS_S", (0.01,))

    def serve(folder: Path) -> FakeHub:
        served = FakeHub(folder)
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        return served

    return serve


def test_it_is_fetched_by_its_name_and_then_used(
    tmp_path: Path, folder: Path, decoder: Path, online, monkeypatch
) -> None:
    row = dataclasses.replace(models.TINY_DECODERS["taesd"], source="owner/tiny", revision=REVISION)
    monkeypatch.setitem(models.TINY_DECODERS, "taesd", row)
    (decoder / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    index = read_index(folder)
    assert tiny_decoder.find("auto", index) == ("none", None)
    with online(decoder) as served:
        assert models_command.run_download("job", "taesd", lambda event: None, lambda: False) == 0
        assert not [path for path, _ in served.hub_requests if path.endswith(".bin")]
    name, found = tiny_decoder.find("auto", index)
    assert name == "taesd"
    assert found == tmp_path / "models" / "owner--tiny" / REVISION
    assert all(problem == "" for _, problem in inventory.verified(row))
    states = {entry["name"]: entry["state"] for entry in inventory.overview()}
    assert (states["taesd"], states["taesdxl"]) == ("here", "absent")


def test_a_model_whose_decoder_cannot_be_had_is_fetched_all_the_same(folder: Path, online) -> None:
    told: list = []
    with online(folder):  # knows no other repository
        status = models_command.run_download("job", f"owner/tiny@{REVISION}", told.append, lambda: False)
    assert status == 0
    assert isinstance(
        store.installed(Model(name="", source="owner/tiny", title="", licence="", revision=REVISION)), Path
    )
    notes = [event.note for event in told if isinstance(event, Progress) and event.note]
    assert any("Previews use the model's own decoder" in note for note in notes)
