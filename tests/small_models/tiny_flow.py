# SPDX-License-Identifier: GPL-3.0-or-later
"""Small flow-matching folders with random weights, saved by diffusers' own pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.small_models import tiny

CHAT = (
    "{% for message in messages %}[BOS] {{ message['content'] }} [EOS]{% endfor %}"
    "{% if add_generation_prompt %} under{% endif %}{% if enable_thinking %} sky{% endif %}"
)
"""A chat template that says whether there is room for thoughts, as those of the real models do."""


def build_z_image(folder: Path, *, dynamic: bool = True, channels: int = 4, text: int = 16) -> Path:
    """Write a random Z-Image model with 8 pixels a cell.

    Args:
        dynamic: whether the noise levels depend on the picture's size; Turbo's own do not.
        channels: of the latents.
        text: features of the text that the transformer wants; its encoder gives 16.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
    from transformers import Qwen3Model

    torch.manual_seed(2)
    transformer = ZImageTransformer2DModel(
        in_channels=channels,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=text,
        axes_dims=[8, 4, 4],
        axes_lens=[128, 16, 16],
    )
    torch.nn.init.normal_(transformer.x_pad_token)
    torch.nn.init.normal_(transformer.cap_pad_token)
    scheduler = (
        FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
        if dynamic
        else FlowMatchEulerDiscreteScheduler(shift=3.0)
    )
    vae = _autoencoder(channels, scaling_factor=0.3611, shift_factor=0.1159)
    text_encoder = Qwen3Model(_text_config(layers=3))
    ZImagePipeline(scheduler, vae, text_encoder, _tokenizer(), transformer).save_pretrained(folder)
    return folder


def build_klein(
    folder: Path, *, distilled: bool = True, layers: int = 28, text: int = 24, channels: int = 16
) -> Path:
    """Write a random FLUX.2 klein model with 16 pixels a cell; its autoencoder has 4 channels of 8 pixels.

    Args:
        distilled: what the folder says of itself.
        layers: of the text encoder.
        text: features of the text that the transformer wants; its encoder gives 3 × 8.
        channels: that the transformer wants; its autoencoder gives 4 × 4.
    """
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinPipeline,
        Flux2Transformer2DModel,
    )
    from transformers import Qwen3ForCausalLM

    torch.manual_seed(3)
    transformer = Flux2Transformer2DModel(
        in_channels=channels,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=text,
        timestep_guidance_channels=32,
        mlp_ratio=2.0,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8),
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
    )
    torch.nn.init.normal_(vae.bn.running_mean)
    torch.nn.init.uniform_(vae.bn.running_var, 0.5, 2.0)
    Flux2KleinPipeline(
        FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
        vae,
        Qwen3ForCausalLM(_text_config(layers, size=8)),
        _tokenizer(),
        transformer,
        is_distilled=distilled,
    ).save_pretrained(folder)
    return folder


def _text_config(layers: int, size: int = 16) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=len(tiny.WORDS),
        hidden_size=size,
        intermediate_size=2 * size,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )


def _tokenizer() -> Any:
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = CHAT
    return tokenizer


def _autoencoder(channels: int, **settings: float) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=channels,
        norm_num_groups=4,
        use_quant_conv=False,
        use_post_quant_conv=False,
        **settings,
    )
