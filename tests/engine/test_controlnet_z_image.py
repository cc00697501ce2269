# SPDX-License-Identifier: GPL-3.0-or-later
"""ControlNets of Z-Image: one window equals diffusers' own pipeline, from a folder and from a file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sync_engine.backbones import controlnets
from sync_engine.backbones.loading import load, read_index
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.catalog.control_nets import find
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.diffusion.controlnet import Control
from sync_engine.diffusion.controlnet_guides import guide_for
from sync_engine.diffusion.joint_loop import sample
from sync_engine.prompting.conditioning import Conditioning
from tests.small_models import flow_jobs, tiny_flow

CPU = torch.device("cpu")
STEPS = 4
MAP = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(8))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(flow_jobs.row(tiny_flow.build_z_image(tmp_path_factory.mktemp("z")), 128), CPU, torch.float32)


def build(folder: Path, model: Any, refiner: str | None, channels: int, dim: int | None = None) -> Path:
    """Write a random ControlNet; ``channels`` more than the latents' are those of version 2."""
    from diffusers.models.controlnets.controlnet_z_image import ZImageControlNetModel

    torch.manual_seed(6)
    config = model.transformer.config
    made: Any = ZImageControlNetModel(
        control_layers_places=[0, 1],
        control_refiner_layers_places=[0],
        control_in_dim=channels,
        add_control_noise_refiner=refiner,  # type: ignore[arg-type]
        dim=dim or config.dim,
        n_refiner_layers=1,
        n_heads=config.n_heads,
        n_kv_heads=config.n_kv_heads,
    )
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.05 * torch.randn(weight.shape)
    made.save_pretrained(folder)
    save_file({n: v.contiguous() for n, v in made.state_dict().items()}, folder.with_suffix(".safetensors"))
    return folder


def loaded(place: Path, model: Any) -> Any:
    found = controlnets.find(find(str(place)), model.folder, read_index(model.folder))
    return controlnets.load(found, model.denoiser, torch.float32)


def ours(model: Any, net: Any, guidance: float) -> torch.Tensor:
    canvas = PlaneCanvas(16, 16, 16, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    texts = model.encode(["a calm sea"]), model.encode(["desert"])
    plain = Conditioning.one_prompt_each(*texts, [0], guidance)
    entries = tuple(dataclasses.replace(entry, control=MAP[None]) for entry in plain.entries)
    guide = guide_for(model, [Control(net=net, scale=0.7)] if net else [], STEPS)
    conditioning = dataclasses.replace(plain, entries=entries)
    return sample(model, canvas, model.scheduler("", STEPS), state, conditioning, guides=[guide])


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize(("refiner", "channels"), [(None, 4), ("control_noise_refiner", 9)])
def test_one_window_equals_the_pipeline_of_diffusers(
    model, tmp_path: Path, guidance: float, refiner: str | None, channels: int
) -> None:
    import diffusers

    folder = build(tmp_path / "net", model, refiner, channels)
    net = loaded(folder, model)
    pipeline: Any = diffusers.ZImageControlNetPipeline.from_pretrained(model.folder, controlnet=net)
    pipeline.set_progress_bar_config(disable=True)
    wanted = pipeline(
        "a calm sea",
        control_image=2 * MAP[None] - 1,  # a tensor is taken as it is, a picture is brought to -1 to 1
        controlnet_conditioning_scale=0.7,
        negative_prompt="desert",
        latents=PlaneCanvas(16, 16, 16, 8).noise(4, torch.Generator().manual_seed(5)),
        num_inference_steps=STEPS,
        guidance_scale=guidance - 1,  # theirs counts from 0
        output_type="latent",
        height=128,
        width=128,
    ).images
    got = ours(model, net, guidance)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4)
    assert (got - ours(model, None, guidance)).abs().max() > 1e-3, "the control changes the picture"
    from_file = loaded(folder.with_suffix(".safetensors"), model)
    torch.testing.assert_close(ours(model, from_file, guidance), got, rtol=0, atol=1e-6)


def test_one_of_another_size_is_refused_in_words(model, tmp_path: Path) -> None:
    folder = build(tmp_path / "net", model, None, 4, dim=64)
    for place in (folder, folder.with_suffix(".safetensors")):
        with pytest.raises(ModelNotAvailable, match="another family of models \\(dim 64"):
            loaded(place, model)
