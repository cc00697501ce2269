# SPDX-License-Identifier: GPL-3.0-or-later
"""Small Qwen-Image and ERNIE-Image folders with random weights, saved by diffusers' own pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.small_models import tiny


def build_qwen_image(folder: Path, *, text: int = 16) -> Path:
    """Write a random Qwen-Image model with 8 pixels a cell.

    Args:
        text: features of the text that the transformer wants; its encoder gives 16.
    """
    import diffusers

    library: Any = diffusers
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    torch.manual_seed(4)
    transformer = library.QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=text,
        axes_dims_rope=(4, 6, 6),
    )
    vae = library.AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[1.5, 0.7, 1.1, 2.0],
    )
    config: dict[str, Any] = {
        "text_config": {
            "vocab_size": len(tiny.WORDS),
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]},
        },
        "vision_config": {
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
        },
    }
    library.QwenImagePipeline(
        library.FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True,
            base_shift=0.5,
            max_shift=0.9,
            max_image_seq_len=8192,
            shift_terminal=0.02,
        ),
        vae,
        Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**config)),
        tiny.tokenizer(),
        transformer,
    ).save_pretrained(folder)
    return folder


def build_ernie(folder: Path) -> Path:
    """Write a random ERNIE-Image model with 16 pixels a cell; its autoencoder has 4 channels of 8 pixels."""
    import diffusers

    library: Any = diffusers
    from transformers import Mistral3Config, Mistral3Model

    torch.manual_seed(6)
    transformer = library.ErnieImageTransformer2DModel(
        hidden_size=32,
        num_attention_heads=2,
        num_layers=2,
        ffn_hidden_size=48,
        in_channels=16,
        out_channels=16,
        text_in_dim=16,
        rope_axes_dim=(4, 6, 6),
    )
    for layer in (transformer.final_linear, transformer.adaLN_modulation[-1]):  # zeros until they are trained
        torch.nn.init.normal_(layer.weight, std=0.2)
    vae = library.AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8),
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
    )
    text = {
        "model_type": "mistral",
        "vocab_size": len(tiny.WORDS),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
    }
    seeing = {
        "model_type": "pixtral",
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    library.ErnieImagePipeline(
        transformer,
        vae,
        Mistral3Model(Mistral3Config(text_config=text, vision_config=seeing)),
        tiny.tokenizer(),
        library.FlowMatchEulerDiscreteScheduler(shift=3.0),
    ).save_pretrained(folder)
    return folder
