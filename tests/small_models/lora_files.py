# SPDX-License-Identifier: GPL-3.0-or-later
"""Small random LoRAs for the tests' models, in the layouts of diffusers and of kohya's trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.small_models import original_layout

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TEXT = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
RANK = 4


def layers_of(part: Any, seed: int, targets: list[str]) -> dict[str, torch.Tensor]:
    """Return random LoRA layers for some modules of a part, named as peft names them; the part is changed."""
    from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model

    inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=targets), part, "made")
    generator = torch.Generator().manual_seed(seed)
    state = get_peft_model_state_dict(part, adapter_name="made")
    return {name: torch.randn(value.shape, generator=generator) * 0.2 for name, value in state.items()}


def write(path: Path, folder: Path, seed: int = 1) -> Path:
    """Write a LoRA for a model's folder as diffusers saves it: network and text encoders, where it can."""
    import diffusers

    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    cls = type(pipeline)
    layers: dict[str, Any] = {}
    if hasattr(pipeline, "unet"):
        layers["unet_lora_layers"] = layers_of(pipeline.unet, seed, ATTENTION)
        for name in ("text_encoder", "text_encoder_2"):
            if hasattr(pipeline, name):
                encoder = getattr(pipeline, name)
                layers[f"{name}_lora_layers"] = layers_of(encoder, seed + 1, TEXT)
    else:
        layers["transformer_lora_layers"] = layers_of(pipeline.transformer, seed, ["to_q", "to_k", "to_v"])
    cls.save_lora_weights(path.parent, weight_name=path.name, **layers)
    return path


def as_kohya(source: Path, path: Path, alpha: float, folder: Path | None = None) -> Path:
    """Write a LoRA for a U-Net again in the layout of kohya's trainer, with its own scale.

    Args:
        alpha: the scale is this over the rank.
        folder: of a Stable Diffusion XL, whose blocks have the authors' names there.
    """
    from safetensors.torch import load_file, save_file

    state: dict[str, torch.Tensor] = {}
    first = "lora_te_text_model" if folder is None else "lora_te1_text_model"
    prefixes = {"unet": "lora_unet", "text_encoder": first, "text_encoder_2": "lora_te2_text_model"}
    places = {} if folder is None else original_layout.u_net_places(folder / "unet")
    for name, value in load_file(source).items():
        part, _, rest = name.partition(".")
        module, _, matrix = rest.removesuffix(".weight").rpartition(".lora")
        module = original_layout.replaced(module.removeprefix("text_model."), places)
        base = f"{prefixes[part]}_{module.replace('.', '_')}"
        state[f"{base}.lora_{'down' if matrix in ('_A', '.down') else 'up'}.weight"] = value
        state[f"{base}.alpha"] = torch.tensor(alpha)
    save_file(state, path)
    return path
