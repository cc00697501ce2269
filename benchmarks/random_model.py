# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable Diffusion 2 and XL with random weights: full size for a GPU, the same shape but thin for a CPU.

The models are made where they run and never lie on a disk: two billion parameters take a GPU a moment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import sync_engine.common.torchvision_schemas  # noqa: F401  # before transformers imports torchvision
from sync_engine.backbones.stable_diffusion import StableDiffusion
from sync_engine.backbones.stable_diffusion_xl import StableDiffusionXL
from sync_engine.interface.memory_plan import MemoryPlan

WORDS = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", "a", "desert", "at", "sunset"]
NOWHERE = Path("random weights")
"""The folder of a model that has none."""
SIZES: dict[str, dict[str, Any]] = {
    "full": {
        "window": 64,
        "unet": (320, 640, 1280, 1280),
        "layers": 2,
        "text": (1024,),
        "heads": (5, 10, 20, 20),
        "groups": 32,
        "vae": (128, 256, 512, 512),
        "vae_layers": 2,
        "tiny": 64,
    },
    "small": {
        "window": 64,
        "unet": (32, 64, 96, 96),
        "layers": 1,
        "text": (64,),
        "heads": (2, 4, 6, 6),
        "groups": 16,
        "vae": (8, 16, 24, 24),
        "vae_layers": 1,
        "tiny": 8,
    },
    "xl": {
        "window": 128,
        "unet": (320, 640, 1280),
        "layers": 2,
        "depths": (1, 2, 10),
        "text": (768, 1280),
        "time": 256,
        "heads": (5, 10, 20),
        "groups": 32,
        "vae": (128, 256, 512, 512),
        "vae_layers": 2,
        "tiny": 64,
    },
    "xl-small": {
        "window": 32,
        "unet": (32, 64, 96),
        "layers": 1,
        "depths": (1, 1, 2),
        "text": (32, 64),
        "time": 16,
        "heads": (2, 4, 6),
        "groups": 16,
        "vae": (8, 16, 24, 24),
        "vae_layers": 1,
        "tiny": 8,
    },
}


def backbone(size: str, device: torch.device, dtype: torch.dtype) -> Any:
    """Return a random model as the engine loads one: XL where a size has two text encoders."""
    from diffusers.utils import logging

    logging.set_verbosity_error()  # a change of precision is a warning there
    shape = SIZES[size]
    torch.manual_seed(0)
    with device:
        parts = {"unet": _unet(shape), "vae": _vae(shape)}
        for number, width in enumerate(shape["text"], 1):
            parts["text_encoder" if number == 1 else f"text_encoder_{number}"] = _text_encoder(width, number)
    parts = {name: part.to(dtype=dtype) for name, part in parts.items()}
    parts |= {"tokenizer": _tokenizer(), "scheduler": _scheduler()}
    if len(shape["text"]) == 1:
        made = StableDiffusion(NOWHERE, parts, device, dtype)
    else:
        made = StableDiffusionXL(NOWHERE, parts | {"tokenizer_2": parts["tokenizer"]}, device, dtype)
    made.place(MemoryPlan())
    return made


def _unet(shape: dict[str, Any]) -> Any:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    options: dict[str, Any] = {}
    if "depths" in shape:
        options = {
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": shape["depths"],
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": shape["time"],
            "projection_class_embeddings_input_dim": shape["text"][-1] + 6 * shape["time"],
        }
    return UNet2DConditionModel(
        sample_size=shape["window"],
        block_out_channels=shape["unet"],
        layers_per_block=shape["layers"],
        cross_attention_dim=sum(shape["text"]),
        attention_head_dim=shape["heads"],
        norm_num_groups=shape["groups"],
        use_linear_projection=True,
        **options,
    )


def _vae(shape: dict[str, Any]) -> Any:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=shape["vae"],
        layers_per_block=shape["vae_layers"],
        down_block_types=("DownEncoderBlock2D",) * 4,  # pyright: ignore[reportArgumentType]  # any length
        up_block_types=("UpDecoderBlock2D",) * 4,  # pyright: ignore[reportArgumentType]
        norm_num_groups=8,
    )


def _text_encoder(width: int, number: int) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(WORDS),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=width,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=0,
    )
    return CLIPTextModel(config) if number == 1 else CLIPTextModelWithProjection(config)


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=77
    )


def _scheduler() -> Any:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def build_tiny_decoder(folder: Path, size: str, dtype: torch.dtype) -> Path:
    """Write a random tiny autoencoder in the shape of TAESD (64 channels; thin, fewer), return its folder."""
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    torch.manual_seed(1)
    width = (SIZES[size]["tiny"],) * 4
    tiny = AutoencoderTiny(encoder_block_out_channels=width, decoder_block_out_channels=width)
    tiny.to(dtype=dtype)  # pyright: ignore[reportCallIssue]
    tiny.save_pretrained(folder)
    return folder


def build_lpips(folder: Path) -> Path:
    """Write LPIPS-VGG with a random VGG as ``SYNCSCAPE_LPIPS`` names its folder, and return the folder.

    It costs what the real one costs, and tells nothing of how alike two windows look.
    """
    import lpips
    from safetensors.torch import save_file

    torch.manual_seed(2)
    state = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.contiguous() for name, value in state.items() if not name.startswith("lins.")},
        folder / "vgg.safetensors",
    )
    return folder
