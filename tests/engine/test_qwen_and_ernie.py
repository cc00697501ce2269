# SPDX-License-Identifier: GPL-3.0-or-later
"""Qwen-Image and ERNIE-Image: one window equals diffusers' own pipelines; decoding; Lightning's levels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from sync_engine.backbones.loading import load
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.diffusion.joint_loop import sample
from sync_engine.prompting.conditioning import Conditioning
from tests.small_models import flow_jobs, tiny_qwen

CPU = torch.device("cpu")


def load_small(folder: Path) -> Any:
    return load(flow_jobs.row(folder, 128), CPU, torch.float32)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_small(tiny_qwen.build_qwen_image(tmp_path_factory.mktemp("q")))


@pytest.fixture(scope="module")
def ernie(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_small(tiny_qwen.build_ernie(tmp_path_factory.mktemp("e")))


def ours(
    backbone: Any, canvas: PlaneCanvas, state: torch.Tensor, guidance: float, negative: str
) -> torch.Tensor:
    told = Conditioning.one_prompt_each(
        backbone.encode(["a calm sea"]), backbone.encode([negative]), [0], guidance
    )
    return sample(backbone, canvas, backbone.scheduler("euler", 4, canvas.window_size), state, told)


def pipeline_of(name: str, folder: Path) -> Any:
    import diffusers

    pipeline = getattr(diffusers, name).from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


WORDS = [(1.0, "desert"), (4.0, "desert under a calm sunset"), (4.0, "")]


@pytest.mark.parametrize(("guidance", "negative"), WORDS)
def test_one_window_of_qwen_image_equals_the_pipeline(qwen, guidance: float, negative: str) -> None:
    canvas = PlaneCanvas(12, 16, qwen.window, 8)
    state = canvas.noise(qwen.channels, torch.Generator().manual_seed(5))
    pipeline = pipeline_of("QwenImagePipeline", qwen.folder)
    packed = pipeline._pack_latents(state, 1, 4, 12, 16)
    theirs = pipeline(
        "a calm sea",
        negative_prompt=negative,
        true_cfg_scale=guidance,
        latents=packed,
        num_inference_steps=4,
        output_type="latent",
        height=96,
        width=128,
    ).images
    theirs = pipeline._unpack_latents(theirs, 96, 128, 8)[:, :, 0]
    found = ours(qwen, canvas, state, guidance, negative)
    assert found.std() > 0.1
    torch.testing.assert_close(found, theirs, rtol=0, atol=1e-4)


def test_qwen_image_decodes_and_encodes_as_its_pipeline(qwen) -> None:
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    picture = qwen.decode(latents)
    assert picture.shape == (2, 3, 64, 64)
    pipeline = pipeline_of("QwenImagePipeline", qwen.folder)
    mean = torch.tensor(pipeline.vae.config.latents_mean).view(1, -1, 1, 1, 1)
    deviation = torch.tensor(pipeline.vae.config.latents_std).view(1, -1, 1, 1, 1)
    with torch.no_grad():
        theirs = pipeline.vae.decode(latents[:, :, None] * deviation + mean).sample[:, :, 0]
        back = pipeline.vae.encode(picture[:, :, None]).latent_dist.mode()
    torch.testing.assert_close(picture, theirs, rtol=0, atol=1e-5)
    torch.testing.assert_close(qwen.encode_picture(picture), ((back - mean) / deviation)[:, :, 0])


def test_lightning_has_the_same_levels_for_every_size(qwen) -> None:
    few = qwen.scheduler("euler-trailing", 4)
    shift = math.exp(math.log(3))
    even = torch.tensor([1.0, 0.75, 0.5, 0.25])
    torch.testing.assert_close(few.sigmas[:4], shift * even / (1 + (shift - 1) * even))
    assert few.sigmas[-1] == 0
    assert torch.equal(few.sigmas, qwen.scheduler("euler-trailing", 4, (64, 64)).sigmas)
    assert not torch.equal(few.sigmas, qwen.scheduler("euler", 4).sigmas)


def test_parts_that_do_not_belong_together_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelNotAvailable, match="24 features, its encoder gives 16"):
        load_small(tiny_qwen.build_qwen_image(tmp_path / "m", text=24))


@pytest.mark.parametrize(("guidance", "negative"), WORDS)
def test_one_window_of_ernie_image_equals_the_pipeline(ernie, guidance: float, negative: str) -> None:
    canvas = PlaneCanvas(6, 8, ernie.window, 4)
    state = canvas.noise(ernie.channels, torch.Generator().manual_seed(5))
    pipeline = pipeline_of("ErnieImagePipeline", ernie.folder)
    theirs = pipeline(
        "a calm sea",
        negative_prompt=negative,
        guidance_scale=guidance,
        latents=state,
        num_inference_steps=4,
        output_type="latent",
        height=96,
        width=128,
        use_pe=False,
    ).images
    found = ours(ernie, canvas, state, guidance, negative)
    assert found.std() > 0.1
    torch.testing.assert_close(found, theirs, rtol=0, atol=1e-4)
    decoded = pipeline(
        "a calm sea", latents=theirs, num_inference_steps=1, guidance_scale=1.0, output_type="pt", height=96,
        width=128, use_pe=False,
    )  # fmt: skip
    assert decoded.images.shape == (1, 3, 96, 128)
    assert ernie.decode(found).shape == (1, 3, 96, 128)


def test_a_lora_of_qwen_image_is_told_from_one_of_flux() -> None:
    from sync_engine.backbones.loras import naming_of

    lightning = {
        f"transformer_blocks.0.{part}.lora_down.weight": (4, 8) for part in ("attn.to_q", "img_mlp.net.2")
    }
    flux = {"transformer.transformer_blocks.0.attn.to_q.lora_A.weight": (4, 8)}
    prefixed = {f"transformer.{name}": shape for name, shape in lightning.items()}
    kinds = [naming.kind if (naming := naming_of(found)) else None for found in (lightning, prefixed, flux)]
    assert kinds == ["Qwen-Image", "Qwen-Image", "FLUX or a transformer like it"]
