"""A Stable Diffusion 2 with random weights: full size for a GPU, the same shape but thin for a CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

import sync_engine.torchvision_schemas  # noqa: F401  # before transformers imports torchvision

WORDS = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", "a", "desert", "at", "sunset"]
SIZES: dict[str, dict[str, Any]] = {
    "full": {
        "unet": (320, 640, 1280, 1280),
        "layers": 2,
        "text": 1024,
        "heads": (5, 10, 20, 20),
        "groups": 32,
        "vae": (128, 256, 512, 512),
        "vae_layers": 2,
        "tiny": 64,
    },
    "small": {
        "unet": (32, 64, 96, 96),
        "layers": 1,
        "text": 64,
        "heads": (2, 4, 6, 6),
        "groups": 16,
        "vae": (8, 16, 24, 24),
        "vae_layers": 1,
        "tiny": 8,
    },
}


def build(folder: Path, size: str, dtype: torch.dtype, device: torch.device) -> Path:
    """Write a random pipeline in diffusers' format, windows of 64 × 64 cells, and return its folder."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

    shape = SIZES[size]
    torch.manual_seed(0)
    with device:
        unet = UNet2DConditionModel(
            sample_size=64,
            block_out_channels=shape["unet"],
            layers_per_block=shape["layers"],
            cross_attention_dim=shape["text"],
            attention_head_dim=shape["heads"],
            norm_num_groups=shape["groups"],
            use_linear_projection=True,
        )
        vae = AutoencoderKL(
            block_out_channels=shape["vae"],
            layers_per_block=shape["vae_layers"],
            down_block_types=("DownEncoderBlock2D",) * 4,  # pyright: ignore[reportArgumentType]  # any length
            up_block_types=("UpDecoderBlock2D",) * 4,  # pyright: ignore[reportArgumentType]
            norm_num_groups=8,
        )
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(WORDS),
                hidden_size=shape["text"],
                intermediate_size=2 * shape["text"],
                num_hidden_layers=2,
                num_attention_heads=4,
                bos_token_id=2,
                eos_token_id=3,
                pad_token_id=0,
            )
        )
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=77
    )
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    for name, part in {"unet": unet, "vae": vae, "text_encoder": text}.items():
        part.to(dtype=dtype).save_pretrained(folder / name)
    fast.save_pretrained(folder / "tokenizer")
    scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def build_tiny_decoder(folder: Path, size: str, dtype: torch.dtype) -> Path:
    """Write a random tiny autoencoder in the shape of TAESD (64 channels; thin, fewer), return its folder."""
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    torch.manual_seed(1)
    width = (SIZES[size]["tiny"],) * 4
    tiny = AutoencoderTiny(encoder_block_out_channels=width, decoder_block_out_channels=width)
    tiny.to(dtype=dtype)  # pyright: ignore[reportCallIssue]
    tiny.save_pretrained(folder)
    return folder
