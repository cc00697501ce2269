# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Stable Diffusion XL folder with random weights, saved by diffusers' own pipeline."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.small_models import tiny


def build(folder: Path, *, zeros_when_empty: bool = True, window: int = 16) -> Path:
    """Write a random SDXL model with 8 pixels a cell; its encoders differ in width and padding."""
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(1)
    pooled, time = 12, 8
    unet = UNet2DConditionModel(
        sample_size=window,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16 + 24,
        attention_head_dim=8,
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=time,
        projection_class_embeddings_input_dim=pooled + 6 * time,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.13025,
    )
    pipeline = StableDiffusionXLPipeline(
        vae,
        CLIPTextModel(tiny.text_config(num_hidden_layers=3)),
        CLIPTextModelWithProjection(
            tiny.text_config(num_hidden_layers=3, hidden_size=24, projection_dim=pooled)
        ),
        tiny.tokenizer(pad="[EOS]"),
        tiny.tokenizer(),
        unet,
        EulerDiscreteScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            steps_offset=1,
            timestep_spacing="leading",
        ),
        force_zeros_for_empty_prompt=zeros_when_empty,
    )
    pipeline.save_pretrained(folder)
    return folder
