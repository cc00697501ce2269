# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable Diffusion XL: two text encoders, and a network that is told the size of its picture."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from sync_engine.backbones.model import Model
from sync_engine.backbones.stable_diffusion import (
    AUTOENCODERS,
    CLIP_TOKENIZERS,
    PREDICTIONS,
    SCHEDULERS,
    U_NET,
    U_NET_FILE,
    U_NET_LORAS,
    StableDiffusion,
    unet_defaults,
)
from sync_engine.catalog.families import Family, Loaded
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.late import no_grad, torch
from sync_engine.interface.wording import Message
from sync_engine.prompting.conditioning import TextEmbedding


class StableDiffusionXL(StableDiffusion):
    """SDXL base (Podell et al. 2023, section 2); the refiner is not used.

    Args:
        zeros_when_empty: whether an empty prompt is zeros, which such a model learned to take for "no
            prompt", or the encoders' embedding of an empty text.

    Raises:
        ModelNotAvailable: the folder calls itself SDXL, but its latents have other statistics.
    """

    def __init__(
        self,
        folder: Path,
        parts: dict[str, Any],
        device: torch.device,
        dtype: torch.dtype,
        zeros_when_empty: bool = True,
    ) -> None:
        super().__init__(folder, parts, device, dtype)
        self.text_encoder_2 = parts["text_encoder_2"].eval().requires_grad_(False)
        self.tokenizer_2 = parts["tokenizer_2"]
        self._zeros_when_empty = zeros_when_empty
        if self.vae.config.get("latents_mean") is not None:
            raise ModelNotAvailable(
                Message("{folder}: this engine cannot use an autoencoder with latents_mean.", folder=folder),
                "Use the model 'sdxl' of the table, or one tuned from it.",
            )
        if dtype == torch.float16 and self.vae.config.get("force_upcast"):
            self.vae.to(torch.float32)  # its activations leave the range of float16: black pictures

    @property
    def encoders(self) -> list[torch.nn.Module]:
        """Both text encoders."""
        return [self.text_encoder, self.text_encoder_2]

    @no_grad
    def encode(self, prompts: list[str]) -> TextEmbedding:
        """Return the text of prompts, each padded and cut to the encoders' length.

        The states ``(L, D)`` are the encoders' last-but-one hidden states side by side, pooled is the second
        encoder's projected embedding of the whole prompt.
        """
        states, pooled = [], torch.empty(0)
        pairs = ((self.tokenizer, self.text_encoder), (self.tokenizer_2, self.text_encoder_2))
        for tokenizer, encoder in pairs:
            tokens = tokenizer(
                prompts,
                padding="max_length",
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_tensors="pt",
            )
            output = encoder(tokens.input_ids.to(self.device), output_hidden_states=True)
            states.append(output.hidden_states[-2])
            pooled = output[0]  # the second encoder's stays
        both, pooled = torch.cat(states, dim=-1).to(self.dtype), pooled.to(self.dtype)
        if self._zeros_when_empty:
            empty = [number for number, prompt in enumerate(prompts) if not prompt]
            both[empty] = 0
            pooled[empty] = 0
        return TextEmbedding(both.unbind(), pooled.unbind())

    def added_conditions(self, noisy: torch.Tensor, text: TextEmbedding) -> dict[str, torch.Tensor]:
        """Say of every window that it is a whole, uncropped picture: the sizes are a window's, in pixels."""
        height, width = (side * self.scale for side in noisy.shape[-2:])
        sizes = torch.tensor([[height, width, 0, 0, height, width]]).to(noisy.device, non_blocking=True)
        return {"text_embeds": torch.stack(text.pooled), "time_ids": sizes.expand(len(noisy), -1)}


def _build(loaded: Loaded) -> Model:
    zeros = loaded.index.flags.get("force_zeros_for_empty_prompt", True)
    return StableDiffusionXL(loaded.folder, loaded.parts, loaded.device, loaded.dtype, zeros)


FAMILY = Family(
    name="Stable Diffusion XL",
    pipelines=("StableDiffusionXLPipeline",),
    parts={
        "vae": AUTOENCODERS,
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": CLIP_TOKENIZERS,
        "unet": U_NET,
        "scheduler": SCHEDULERS,
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "tokenizer_2": CLIP_TOKENIZERS,
    },
    denoiser="unet",
    predictions=PREDICTIONS,
    build=_build,
    defaults=unet_defaults,
    tiny_decoder="taesdxl",
    loras=U_NET_LORAS,
    single_file=dataclasses.replace(U_NET_FILE, bases={2048: "sdxl"}),
    window_bytes=316.0,
    decoding_bytes=1536.0,
)
