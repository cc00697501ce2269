# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable Diffusion XL: diffusers' own loop for one window, and whole jobs with every method."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import pytest
import torch

from sync_engine.backbones.loading import load
from sync_engine.backbones.stable_diffusion_xl import StableDiffusionXL
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.catalog import models
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.progress import Reporter
from sync_engine.diffusion.joint_loop import sample
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.prompting.conditioning import Conditioning
from sync_engine.runtime.job import Engine
from tests.small_models import tiny_xl

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_xl.build(tmp_path_factory.mktemp("xl"))


@pytest.fixture(scope="module")
def backbone(folder: Path) -> StableDiffusionXL:
    return load(models.find(str(folder)), CPU, torch.float32)


def theirs_and_ours(
    backbone, solver: str, guidance: float, negative: str, height: int = 16
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the latents of diffusers' pipeline and of our loop, from the same noise and words."""
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_pretrained(backbone.folder)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = backbone.scheduler(solver, 6)
    canvas = PlaneCanvas(height, 16, 16, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    theirs = pipeline(
        "a calm sea",
        negative_prompt=negative or None,
        latents=state,
        num_inference_steps=6,
        guidance_scale=guidance,
        output_type="latent",
        height=8 * height,
        width=128,
    ).images
    text, without = backbone.encode(["a calm sea"]), backbone.encode([negative])
    conditioning = Conditioning.one_prompt_each(text, without, [0], guidance)
    return theirs, sample(backbone, canvas, backbone.scheduler(solver, 6), state, conditioning)


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
@pytest.mark.parametrize(("guidance", "negative"), [(6.0, ""), (6.0, "desert"), (1.0, "")])
def test_one_window_equals_the_pipeline_of_diffusers(
    backbone, solver: str, guidance: float, negative: str
) -> None:
    theirs, ours = theirs_and_ours(backbone, solver, guidance, negative)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_window_lower_than_wide_is_told_its_own_size(backbone) -> None:
    theirs, ours = theirs_and_ours(backbone, "dpm", 6.0, "", height=8)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_model_may_encode_the_empty_prompt(tmp_path: Path, backbone) -> None:
    other = load(models.find(str(tiny_xl.build(tmp_path / "m", zeros_when_empty=False))), CPU, torch.float32)
    theirs, ours = theirs_and_ours(other, "dpm", 6.0, "")
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    assert other.encode([""]).states[0].abs().max() > 0.1
    assert backbone.encode([""]).states[0].abs().max() == 0


def test_every_condition_reaches_the_network(backbone) -> None:
    """Without this the comparison with diffusers could hold because the random network hears nothing."""
    noisy = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(5))
    timestep = torch.tensor(500)
    sea, desert = backbone.encode(["a calm sea"]), backbone.encode(["desert"])
    whole = backbone._unet(noisy, timestep, sea)
    changed = [
        type(sea)(desert.states, sea.pooled),
        type(sea)(sea.states, desert.pooled),
    ]
    for text in changed:
        assert (backbone._unet(noisy, timestep, text) - whole).abs().max() > 1e-3


def test_ddim_does_not_clip_latents(backbone) -> None:
    """The folder's Euler scheduler says nothing of clipping, and DDIM's default is to clip at 1."""
    assert backbone.scheduler("ddim", 2).config.clip_sample is False


def test_half_precision_decodes_in_single(folder: Path) -> None:
    half = load(models.find(str(folder)), CPU, torch.float16)
    assert half.unet.dtype == half.text_encoder_2.dtype == torch.float16
    assert half.vae.dtype == torch.float32
    latents = torch.zeros(1, 4, 4, 4, dtype=torch.float16)
    assert half.decode(latents).dtype == torch.float16
    assert half.encode_picture(half.decode(latents)).dtype == torch.float16


@pytest.mark.slow
@pytest.mark.parametrize("method", ["multidiffusion", "sync", "sync-paper"])
@pytest.mark.parametrize("kind", ["plate", "world"])
def test_every_method_makes_a_picture(folder: Path, tmp_path: Path, kind: str, method: str) -> None:
    size = {"width": 256, "height": 128} if kind == "plate" else {"width": 256}
    spec = EnvironmentSpec(
        "a calm sea",
        kind=kind,
        method=method,
        model=str(folder),
        device="cpu",
        precision="fp32",
        steps=2,
        sync_steps=None if method == "multidiffusion" else 1,
        seed=3,
        **size,
    )
    files, _ = Engine().run(spec, tmp_path / "out", Reporter("job", lambda event: None))
    assert Path(files["image"]).stat().st_size > 1000


def broken(healthy: Path, folder: Path, change: dict) -> Path:
    shutil.copytree(healthy, folder)
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | change))
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text_encoder_2": [None, None]}, "text_encoder_2"),
        ({"tokenizer_2": [None, None]}, "tokenizer_2"),
        ({"text_encoder_2": ["transformers", "CLIPTextModel"]}, "text_encoder_2 of class CLIPTextModel"),
        ({"_class_name": "StableDiffusionXLImg2ImgPipeline"}, "StableDiffusionXLImg2ImgPipeline"),
        ({"_class_name": "FluxPipeline"}, "FluxPipeline"),
        ({"_class_name": ["a"]}, "does not describe"),
    ],
)
def test_a_folder_of_another_family_or_without_a_part_is_refused(
    folder: Path, tmp_path: Path, change: dict, words: str
) -> None:
    other = broken(folder, tmp_path / "m", change)
    with pytest.raises(ModelNotAvailable, match=words) as refused:
        load(models.find(str(other)), CPU, torch.float32)
    assert str(other) in refused.value.message
    assert refused.value.hint


def test_an_autoencoder_with_its_own_statistics_is_refused(folder: Path, tmp_path: Path) -> None:
    """Playground 2.5 says that it is SDXL; its latents have another scale in every channel."""
    other = broken(folder, tmp_path / "m", {})
    config = other / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"latents_mean": [0.1] * 4}))
    with pytest.raises(ModelNotAvailable, match="latents_mean"):
        load(models.find(str(other)), CPU, torch.float32)


def test_missing_weights_of_the_second_encoder_exit_with_3(folder: Path, tmp_path: Path) -> None:
    from sync_engine.interface.messages import EXIT_STATUS

    other = broken(folder, tmp_path / "m", {})
    next((other / "text_encoder_2").glob("*.safetensors")).unlink()
    with pytest.raises(ModelNotAvailable, match="text_encoder_2") as refused:
        load(models.find(str(other)), CPU, torch.float32)
    assert EXIT_STATUS[refused.value.code] == 3


def test_the_table_pins_the_base_model() -> None:
    row = models.find("stabilityai/stable-diffusion-xl-base-1.0")
    assert row == models.TABLE["sdxl"]
    assert len(row.revision) == 40
    assert 5 <= row.guidance <= 7


PRESETS = sorted((Path(__file__).parents[2] / "presets" / "syncscape").glob("SDXL_*.py"))
assert PRESETS


@pytest.mark.slow
@pytest.mark.parametrize("file", PRESETS, ids=lambda file: file.stem)
def test_a_preset_for_xl_makes_its_picture(folder: Path, tmp_path: Path, file: Path) -> None:
    """With random weights and small: its words, poles and method go through the whole engine."""
    values = {
        node.targets[0].attr: ast.literal_eval(node.value)
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
    }
    assert values["model"] == "sdxl"
    same = ("prompt", "negative", "prompt_zenith", "prompt_nadir", "kind", "projection", "method")
    small = {"width": 256, "height": 128, "model": str(folder), "steps": 1, "seed": 3, "precision": "fp32"}
    spec = EnvironmentSpec.from_dict({name: values[name] for name in same} | small)
    files, _ = Engine().run(spec, tmp_path / "result", Reporter("job", lambda event: None, False))
    assert Path(files["image"]).stat().st_size > 1000
    kept = json.loads(Path(files["spec"]).read_text())["spec"]
    assert {name: kept[name] for name in same} == {name: values[name] for name in same}
