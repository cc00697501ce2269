# SPDX-License-Identifier: GPL-3.0-or-later
"""ControlNets: one window equals diffusers' own pipelines; scale 0 is no control; bad folders in words."""

from __future__ import annotations

import dataclasses
import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sync_engine.backbones import controlnets
from sync_engine.backbones.controlnets import Found
from sync_engine.backbones.loading import load, read_index
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.catalog import models
from sync_engine.catalog.control_nets import find
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.diffusion.controlnet import Control, ControlNets
from sync_engine.diffusion.joint_loop import sample
from sync_engine.prompting.conditioning import Conditioning
from tests.small_models import original_layout, tiny, tiny_xl
from tests.small_models.control import build

CPU = torch.device("cpu")
STEPS = 5
MAP = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(8))


def found(folder: Path, model: Any) -> Found:
    """Return a ControlNet's folder, checked against a model."""
    return controlnets.find(find(str(folder)), model.folder, read_index(model.folder))


def loaded(folder: Path, model: Any) -> Any:
    """Return the network of a ControlNet's folder."""
    return controlnets.load(found(folder, model), model.denoiser, torch.float32)


@pytest.fixture(scope="module", params=["sd", "xl"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model of a family, and the folder of a ControlNet for it."""
    folder = tmp_path_factory.mktemp(request.param)
    made = tiny.build(folder / "m") if request.param == "sd" else tiny_xl.build(folder / "m")
    model: Any = load(models.find(str(made)), CPU, torch.float32)
    return model, build(folder / "control", model.unet)


def ours(model: Any, controls: list[Control], guidance: float, maps: torch.Tensor) -> torch.Tensor:
    """Return the latents of one window by the joint loop."""
    canvas = PlaneCanvas(16, 16, 16, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    texts = model.encode(["a calm sea"]), model.encode(["desert"])
    plain = Conditioning.one_prompt_each(*texts, [0], guidance)
    entries = tuple(dataclasses.replace(entry, control=maps) for entry in plain.entries)
    conditioning = dataclasses.replace(plain, entries=entries)
    guide = ControlNets(controls, STEPS, model.guided, model.added_conditions)
    return sample(model, canvas, model.scheduler("ddim", STEPS), state, conditioning, guides=[guide])


def theirs(
    model: Any, nets: list[Any], guidance: float, maps: list[torch.Tensor], **options: Any
) -> torch.Tensor:
    """Return the latents of diffusers' own pipeline from the same noise and words."""
    import diffusers

    xl = hasattr(model, "text_encoder_2")
    cls: Any = getattr(diffusers, f"StableDiffusion{'XL' if xl else ''}ControlNetPipeline")
    pipeline = cls.from_pretrained(
        model.folder,
        controlnet=nets if len(nets) > 1 else nets[0],
        **({} if xl else {"safety_checker": None}),
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = model.scheduler("ddim", STEPS)
    shown = [part[None] for part in maps]
    return pipeline(
        "a calm sea",
        image=shown if len(nets) > 1 else shown[0],
        negative_prompt="desert",
        latents=PlaneCanvas(16, 16, 16, 8).noise(4, torch.Generator().manual_seed(5)),
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        output_type="latent",
        height=128,
        width=128,
        **options,
    ).images


@pytest.mark.parametrize("guidance", [6.0, 1.0])
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.2, 0.7)])
def test_one_window_equals_the_pipeline_of_diffusers(case, guidance: float, start: float, end: float) -> None:
    model, folder = case
    net = loaded(folder, model)
    control = Control(net=net, scale=0.8, start=start, end=end)
    span = {"control_guidance_start": start, "control_guidance_end": end}
    wanted = theirs(model, [net], guidance, [MAP], controlnet_conditioning_scale=0.8, **span)
    got = ours(model, [control], guidance, MAP[None])
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4)
    free = ours(model, [], guidance, MAP[None])
    assert (got - free).abs().max() > 1e-2, "the control changes the picture"


def test_several_add_up(case, tmp_path: Path) -> None:
    model, folder = case
    nets = [loaded(place, model) for place in (folder, build(tmp_path / "second", model.unet, seed=2))]
    controls = [Control(net=net, scale=scale) for net, scale in zip(nets, (0.5, 0.7), strict=True)]
    maps = [MAP, MAP.flip(2)]
    wanted = theirs(model, nets, 6.0, maps, controlnet_conditioning_scale=[0.5, 0.7])
    torch.testing.assert_close(ours(model, controls, 6.0, torch.stack(maps)), wanted, rtol=0, atol=1e-4)


def test_scale_zero_is_no_control_to_the_bit(case) -> None:
    model, folder = case
    net = loaded(folder, model)
    with_none = ours(model, [], 6.0, MAP[None])
    assert torch.equal(ours(model, [Control(net=net, scale=0.0)], 6.0, MAP[None]), with_none)


def test_the_gradient_goes_through_the_control(case) -> None:
    """``sync-paper`` differentiates the prediction with respect to the noisy windows, ControlNet included."""
    model, folder = case
    net = loaded(folder, model)
    texts = model.encode(["a calm sea"]), model.encode(["desert"])
    plain = Conditioning.one_prompt_each(*texts, [0], 6.0)
    entries = [dataclasses.replace(plain.entries[0], control=MAP[None])]
    guide = ControlNets([Control(net=net)], STEPS, True, model.added_conditions)
    noisy = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3)).requires_grad_()
    added = guide.residuals(0, torch.tensor(500), noisy, plain, entries)
    assert added is not None
    (gradient,) = torch.autograd.grad(added.middle.square().sum(), noisy)
    assert gradient.abs().max() > 0


def test_every_window_needs_its_maps(case) -> None:
    model, folder = case
    net = loaded(folder, model)
    conditioning = Conditioning.one_prompt_each(model.encode(["a"]), model.encode([""]), [0], 6.0)
    guide = ControlNets([Control(net=net)], STEPS, True, model.added_conditions)
    with pytest.raises(ValueError, match="0 maps for 1 windows"):
        guide.residuals(0, torch.tensor(500), torch.zeros(1, 4, 16, 16), conditioning, conditioning.entries)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "is of class UNet2DConditionModel"),
        ({"cross_attention_dim": 1234}, "is for another family of models"),
        ("no json", "it is not JSON"),
        ("code", "it names code to run"),
        ("gone", "is no ControlNet that is known or here"),
        ("no weights", "has no safetensors weights"),
        ("pickle", "may hold code"),
        ("cut", "controls|cut|damaged|header|short"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(case, tmp_path: Path, change: Any, words: str) -> None:
    model, good = case
    folder = tmp_path / "spoilt"
    shutil.copytree(good, folder)
    weights = next(folder.glob("*.safetensors"))
    if isinstance(change, dict):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | change))
    elif change == "no json":
        (folder / "config.json").write_text("{")
    elif change == "code":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "run.Me"}}))
    elif change == "gone":
        shutil.rmtree(folder)
    elif change == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        weights.unlink()
        if change == "pickle":
            (folder / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(ModelNotAvailable, match=words):
        loaded(folder, model)


def test_a_file_is_the_folder(case, tmp_path: Path) -> None:
    """In the layout of diffusers and in that of the first authors, told by the names of its tensors."""
    model, folder = case
    wanted = loaded(folder, model).state_dict()
    mine = tmp_path / "net.safetensors"
    shutil.copy(next(folder.glob("*.safetensors")), mine)
    theirs = original_layout.write_controlnet(folder, tmp_path / "control_net.safetensors")
    for file in (mine, theirs):
        state = loaded(file, model).state_dict()
        assert state.keys() == wanted.keys()
        assert all(torch.equal(state[name], value) for name, value in wanted.items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("other", "is for another family of models"),
        ("model", "names of no ControlNet"),
        ("less", "does not load"),
        ("pickle", "no good safetensors file"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_words(case, tmp_path: Path, change: str, words: str) -> None:
    model, folder = case
    state = load_file(next(folder.glob("*.safetensors")))
    if change == "other":
        state = {n: torch.zeros(v.shape[0], 99) if "attn2.to_k" in n else v for n, v in state.items()}
    elif change == "model":
        state = model.unet.state_dict()
    else:
        state.popitem()
    file = tmp_path / "net.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, file)
    if change == "pickle":
        file.write_bytes(b"\x80\x04" + bytes(100))
    with pytest.raises(ModelNotAvailable, match=words):
        loaded(file, model)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["depth", "canny"])
def test_a_union_is_told_the_kind(tmp_path: Path, kind: str) -> None:
    import diffusers

    model: Any = load(models.find(str(tiny_xl.build(tmp_path / "m"))), CPU, torch.float32)
    torch.manual_seed(4)
    union: Any = diffusers.ControlNetUnionModel
    config = {
        name: model.unet.config[name]
        for name in inspect.signature(union.__init__).parameters
        if name in model.unet.config
    }
    made = union(
        **config, conditioning_embedding_out_channels=(8, 8, 16, 16), num_control_type=6,
        num_trans_channel=16, num_trans_head=2, num_proj_channel=16,
    )  # fmt: skip
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.05 * torch.randn(weight.shape)
    made.save_pretrained(tmp_path / "union")
    net = loaded(tmp_path / "union", model)
    mode = controlnets.mode_of(net, kind)
    pipeline: Any = diffusers.StableDiffusionXLControlNetUnionPipeline.from_pretrained(
        model.folder, controlnet=net
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = model.scheduler("ddim", STEPS)
    wanted = pipeline(
        "a calm sea",
        control_image=[MAP[None]],
        control_mode=[mode],
        negative_prompt="desert",
        latents=PlaneCanvas(16, 16, 16, 8).noise(4, torch.Generator().manual_seed(5)),
        num_inference_steps=STEPS,
        guidance_scale=6.0,
        controlnet_conditioning_scale=0.8,
        output_type="latent",
        height=128,
        width=128,
    ).images
    got = ours(model, [Control(net=net, mode=mode, scale=0.8)], 6.0, MAP[None])
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4)
    with pytest.raises(ModelNotAvailable, match="takes no map of the kind tile"):
        controlnets.mode_of(net, "tile")
