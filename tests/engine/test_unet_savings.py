# SPDX-License-Identifier: GPL-3.0-or-later
"""The savings in U-Nets: the same answers as diffusers' own network, with less of it computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import Module

from sync_engine.backbones.unet_savings import SharedStem, keep_layout
from tests.small_models import tiny_xl

WINDOWS = 3


def network(first: str, linear: bool = False) -> Any:
    """Return a small random U-Net whose first block is of a type, its layout channels last."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    last = {"CrossAttnDownBlock2D": "CrossAttnUpBlock2D", "DownBlock2D": "UpBlock2D"}[first]
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(16, 32),
        layers_per_block=2,
        down_block_types=(first, "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", last),
        cross_attention_dim=16,
        attention_head_dim=8,
        norm_num_groups=8,
        use_linear_projection=linear,
    )
    return unet.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def batch(guided: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return latents, a timestep and texts: the second half of a guided batch repeats the latents only."""
    noise = torch.Generator().manual_seed(1)
    windows = torch.randn(WINDOWS, 4, 16, 16, generator=noise)
    second = windows if guided else torch.randn(WINDOWS, 4, 16, 16, generator=noise)
    text = torch.randn(2 * WINDOWS, 7, 16, generator=noise)
    return torch.cat([windows, second]), torch.tensor(500), text


def ask(unet: Any, latents: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    return unet(latents, timestep, encoder_hidden_states=text, return_dict=False)[0]


def samples_seen(module: Module, seen: list[int]) -> None:
    """Write down how many samples reach a module; its own forward may be replaced, so its child is asked."""
    module.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("first", ["CrossAttnDownBlock2D", "DownBlock2D"])
def test_a_guided_batch_gets_the_same_answer_and_its_halves_share_the_first_layers(
    first: str, linear: bool
) -> None:
    unet, question = network(first, linear), batch(guided=True)
    theirs = ask(unet, *question)
    stem = SharedStem(unet)
    keep_layout(unet)
    once: list[int] = []
    twice: list[int] = []
    reading = unet.down_blocks[0 if first.startswith("Cross") else 1]
    samples_seen(unet.down_blocks[0].resnets[0].conv1, once)
    samples_seen(reading.attentions[0].transformer_blocks[0].attn1.to_q, once)
    samples_seen(reading.attentions[0].transformer_blocks[0].attn2.to_q, twice)
    samples_seen(reading.resnets[1].conv1, twice)
    with stem.guided():
        ours = ask(unet, *question)
    assert once == [WINDOWS] * 2
    assert twice == [2 * WINDOWS] * 2
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_a_batch_of_different_windows_is_left_alone() -> None:
    unet, question = network("CrossAttnDownBlock2D"), batch(guided=False)
    theirs = ask(unet, *question)
    stem = SharedStem(unet)
    with pytest.raises(ValueError, match="stopped"), stem.guided():
        raise ValueError("stopped")
    torch.testing.assert_close(ask(unet, *question), theirs, rtol=0, atol=1e-5)


def test_the_gradient_to_the_noise_is_the_same() -> None:
    unet = network("CrossAttnDownBlock2D")
    latents, timestep, text = batch(guided=True)

    def gradient() -> torch.Tensor:
        windows = latents[:WINDOWS].clone().requires_grad_()
        (found,) = torch.autograd.grad(
            ask(unet, torch.cat([windows, windows]), timestep, text).square().sum(), windows
        )
        return found

    theirs = gradient()
    with SharedStem(unet).guided():
        ours = gradient()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("linear", [False, True])
def test_transformers_keep_the_layout(linear: bool) -> None:
    unet = network("CrossAttnDownBlock2D", linear)
    outputs: list[torch.Tensor] = []

    def keep(_: Module, args: tuple, output: tuple[torch.Tensor]) -> None:
        outputs.append(output[0])

    for block in unet.down_blocks:
        block.attentions[0].register_forward_hook(keep)
    latents, timestep, text = batch(guided=True)
    question = latents.contiguous(memory_format=torch.channels_last), timestep, text
    ask(unet, *question)
    kept = [found.is_contiguous(memory_format=torch.channels_last) for found in outputs]
    if linear:
        assert kept == [False, False], "diffusers keeps it now: keep_layout can go"
    outputs.clear()
    keep_layout(unet)
    ask(unet, *question)
    assert len(outputs) == 2
    assert all(found.is_contiguous(memory_format=torch.channels_last) for found in outputs)


def test_weights_keep_their_names() -> None:
    unet = network("CrossAttnDownBlock2D")
    before = list(unet.state_dict())
    SharedStem(unet)
    keep_layout(unet)
    assert list(unet.state_dict()) == before


def test_a_network_that_mixes_the_prompt_into_the_timestep_shares_nothing(tmp_path) -> None:
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(tiny_xl.build(tmp_path) / "unet")
    forwards = [module.forward for module in unet.modules()]
    SharedStem(unet)
    assert [module.forward for module in unet.modules()] == forwards


@pytest.mark.slow
def test_torch_can_still_trace_the_network_in_one_piece() -> None:
    unet, question = network("CrossAttnDownBlock2D"), batch(guided=True)
    stem = SharedStem(unet)
    keep_layout(unet)
    with stem.guided():
        plain = ask(unet, *question)
        unet.compile(backend="eager", fullgraph=True)
        traced = ask(unet, *question)
    torch.testing.assert_close(traced, plain, rtol=0, atol=1e-5)
