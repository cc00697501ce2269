# SPDX-License-Identifier: GPL-3.0-or-later
"""Small Stable Diffusion folders with random weights, saved as diffusers saves real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

import sync_engine.common.torchvision_schemas  # noqa: F401  # before transformers imports torchvision
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.prompting.conditioning import Conditioning


def plate_spec(model: Path | str, **changes: Any) -> EnvironmentSpec:
    """Return a spec of a small plate, two windows wide, in float32 on the CPU: the same on every machine."""
    usual = {"width": 256, "height": 128, "seed": 3, "device": "cpu", "precision": "fp32"}
    return EnvironmentSpec("a calm sea", kind="plate", model=str(model), **{**usual, **changes})


WORDS = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", "a", "calm", "desert", "sea", "sky", "under", "sunset"]


def build(folder: Path, *, prediction: str = "epsilon", tiny_vae: bool = True, window: int = 16) -> Path:
    """Write a random model of the Stable Diffusion family with 8 pixels a cell and return its folder."""
    from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=window,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    if tiny_vae:
        vae = AutoencoderTiny(
            latent_channels=4,
            encoder_block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            num_encoder_blocks=(1, 1, 1, 1),
            num_decoder_blocks=(1, 1, 1, 1),
        )
    else:
        vae = AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=4,
        )
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction,
    )
    parts = {"unet": unet, "vae": vae, "text_encoder": CLIPTextModel(text_config()), "tokenizer": tokenizer()}
    for name, part in {**parts, "scheduler": scheduler}.items():
        part.save_pretrained(folder / name)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", type(vae).__name__],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def text_config(**changes: int) -> Any:
    """Return the configuration of a text encoder for ``WORDS``."""
    from transformers import CLIPTextConfig

    settings = {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 16,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 0,
    }
    return CLIPTextConfig(**settings | changes)


def tokenizer(pad: str = "[PAD]") -> Any:
    """Return a tokenizer of whole words that pads with ``pad``."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 2), ("[EOS]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        unk_token="[UNK]",
        pad_token=pad,
        bos_token="[BOS]",
        eos_token="[EOS]",
        model_max_length=16,
    )


def conditioning_for(backbone, windows: int, guidance: float = 7.5) -> Conditioning:
    """Return what windows of a loaded model are told: one prompt for all."""
    return Conditioning.one_prompt_each(
        backbone.encode(["a calm sea"]), backbone.encode([""]), [0] * windows, guidance
    )
