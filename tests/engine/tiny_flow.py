"""Small flow-matching folders with random weights, saved by diffusers' own pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.engine import tiny

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


def _text_config(layers: int) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=len(tiny.WORDS),
        hidden_size=16,
        intermediate_size=32,
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
