# SPDX-License-Identifier: GPL-3.0-or-later
"""ControlNets of Qwen-Image: one window equals diffusers' own pipeline; several add up."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from sync_engine.backbones import controlnets
from sync_engine.backbones.loading import load, read_index
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.catalog.control_nets import find
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.diffusion.controlnet import Control
from sync_engine.diffusion.controlnet_guides import guide_for
from sync_engine.diffusion.joint_loop import sample
from sync_engine.prompting.conditioning import Conditioning
from tests.small_models import flow_jobs, tiny_qwen

CPU = torch.device("cpu")
STEPS = 4
MAP = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(8))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tiny_qwen.build_qwen_image(tmp_path_factory.mktemp("q"))
    return load(flow_jobs.row(folder, 128), CPU, torch.float32)


def build(folder: Path, model: Any, layers: int = 1, text: int | None = None) -> Path:
    """Write a random ControlNet of fewer blocks than the model has, as real ones have."""
    import diffusers

    torch.manual_seed(layers)
    cls: Any = getattr(diffusers, "QwenImageControlNetModel")  # noqa: B009  # not exported to type checkers
    config = model.transformer.config
    made = cls(
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        num_layers=layers,
        attention_head_dim=config.attention_head_dim,
        num_attention_heads=config.num_attention_heads,
        joint_attention_dim=text or config.joint_attention_dim,
        axes_dims_rope=config.axes_dims_rope,
    )
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.05 * torch.randn(weight.shape)
    made.save_pretrained(folder)
    return folder


def loaded(folder: Path, model: Any) -> Any:
    found = controlnets.find(find(str(folder)), model.folder, read_index(model.folder))
    return controlnets.load(found, model.denoiser, torch.float32)


def ours(model: Any, controls: list[Control], guidance: float) -> torch.Tensor:
    canvas = PlaneCanvas(16, 16, 16, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    texts = model.encode(["a calm sea"]), model.encode(["desert under a calm sunset"])
    plain = Conditioning.one_prompt_each(*texts, [0], guidance)
    maps = MAP.expand(max(1, len(controls)), -1, -1, -1)
    entries = tuple(dataclasses.replace(entry, control=maps) for entry in plain.entries)
    conditioning = dataclasses.replace(plain, entries=entries)
    solver = model.scheduler("euler", STEPS, canvas.window_size)
    return sample(model, canvas, solver, state, conditioning, guides=[guide_for(model, controls, STEPS)])


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("layers", [1, 2])
def test_one_window_equals_the_pipeline_of_diffusers(
    model, tmp_path: Path, guidance: float, layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import diffusers
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_controlnet as module

    # theirs draws the map's latents from their distribution; ours takes its mean, as for every picture
    monkeypatch.setattr(module, "retrieve_latents", lambda encoded, generator: encoded.latent_dist.mode())
    net = loaded(build(tmp_path / "net", model, layers), model)
    cls: Any = getattr(diffusers, "QwenImageControlNetPipeline")  # noqa: B009
    pipeline = cls.from_pretrained(model.folder, controlnet=net)
    pipeline.set_progress_bar_config(disable=True)
    state = PlaneCanvas(16, 16, 16, 8).noise(4, torch.Generator().manual_seed(5))
    packed = pipeline(
        "a calm sea",
        control_image=2 * MAP[None] - 1,  # a tensor is taken as it is, a picture is brought to -1 to 1
        controlnet_conditioning_scale=0.7,
        negative_prompt="desert under a calm sunset",
        true_cfg_scale=guidance,
        latents=pipeline._pack_latents(state, 1, 4, 16, 16),
        num_inference_steps=STEPS,
        output_type="latent",
        height=128,
        width=128,
    ).images
    wanted = pipeline._unpack_latents(packed, 128, 128, 8)[:, :, 0]
    got = ours(model, [Control(net=net, scale=0.7)], guidance)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4)
    assert (got - ours(model, [], guidance)).abs().max() > 1e-3, "the control changes the picture"


def test_several_of_other_depths_add_up(model, tmp_path: Path) -> None:
    nets = [loaded(build(tmp_path / str(n), model, n), model) for n in (1, 2)]
    alone = [ours(model, [Control(net=net)], 1.0) for net in nets]
    both = ours(model, [Control(net=net) for net in nets], 1.0)
    assert all((both - one).abs().max() > 1e-3 for one in alone)
    torch.testing.assert_close(both, ours(model, [Control(net=net) for net in nets[::-1]], 1.0))


def test_one_for_another_text_is_refused_in_words(model, tmp_path: Path) -> None:
    with pytest.raises(ModelNotAvailable, match="another family of models \\(joint_attention_dim 24"):
        loaded(build(tmp_path / "net", model, text=24), model)
