# SPDX-License-Identifier: GPL-3.0-or-later
"""FLUX.2 klein: a small transformer on latents of 16 pixels a cell, with three layers of a language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sync_engine.backbones.flow import FLOW_SCHEDULERS, QWEN_3, QWEN_TOKENIZERS, FlowTransformer
from sync_engine.backbones.model import Model
from sync_engine.catalog.families import Family, Loaded, LoraNaming, SingleFile, read_object
from sync_engine.common.late import torch
from sync_engine.interface.wording import Message
from sync_engine.prompting.conditioning import TextEmbedding

TEXT_LAYERS = (9, 18, 27)
"""The language model's hidden states that are the text, side by side."""
PATCH = 2
"""The autoencoder's cells along each side of one cell of the canvas."""


class Flux2Latents(FlowTransformer):
    """A transformer on the latents of FLUX.2's autoencoder.

    A cell of the canvas is what the transformer takes for a token: 2 × 2 of the autoencoder's cells, their
    channels side by side, brought to mean 0 and variance 1 with the statistics of the autoencoder's batch
    norm.

    Raises:
        ModelNotAvailable: the parts of the folder do not fit each other.
    """

    norm_epsilon: float | None = None
    """Of the batch norm; None where the autoencoder's configuration is right."""

    def __init__(
        self, folder: Path, parts: dict[str, Any], device: torch.device, dtype: torch.dtype, window: int
    ) -> None:
        super().__init__(folder, parts, device, dtype, window)
        self.scale *= PATCH
        self.window = window // self.scale
        self._check_parts()
        norm = self.vae.bn
        epsilon = self.norm_epsilon or self.vae.config.batch_norm_eps
        self._mean = norm.running_mean.float().view(1, -1, 1, 1)
        self._deviation = (norm.running_var.float() + epsilon).sqrt().view(1, -1, 1, 1)

    def _text_features(self) -> tuple[int, int]:
        """Return the features of the text that the transformer wants, and those that it is given."""
        raise NotImplementedError

    def _check_parts(self) -> None:
        self._check_text(*self._text_features())
        wanted, given = self.transformer.config.in_channels, PATCH**2 * self.vae.config.latent_channels
        if wanted != given:
            raise self._misfit(
                Message(
                    "its transformer wants {wanted} channels, its autoencoder gives {given}",
                    wanted=wanted,
                    given=given,
                )
            )

    # --- pictures --------------------------------------------------------------------------

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents ``(N, 4·C, h, w)`` to sRGB ``(N, 3, h·scale, w·scale)``, nominally in [-1, 1]."""
        unpacked = self.unpack(latents).to(self.vae.dtype).contiguous(memory_format=torch.channels_last)
        return self.vae.decode(unpacked, return_dict=False)[0].to(latents.dtype)

    def unpack(self, latents: torch.Tensor) -> torch.Tensor:
        """Return latents as the autoencoder knows them, ``(N, C, 2·h, 2·w)``."""
        return torch.nn.functional.pixel_shuffle(
            latents * self._deviation.to(latents) + self._mean.to(latents), PATCH
        )

    def encode_picture(self, picture: torch.Tensor) -> torch.Tensor:
        """Encode sRGB ``(N, 3, H, W)`` in [-1, 1] to latents as the denoiser sees them; differentiable."""
        encoded = self.vae.encode(picture.to(self.vae.dtype)).latent_dist.mode().to(picture.dtype)
        packed = torch.nn.functional.pixel_unshuffle(encoded, PATCH)
        return (packed - self._mean.to(packed)) / self._deviation.to(packed)


class Flux2Klein(Flux2Latents):
    """FLUX.2 klein (Black Forest Labs 2026), distilled or base, as a maker of pictures from text.

    Args:
        distilled: whether the model is distilled to a few steps: it was trained on guided predictions and
            knows neither a guidance scale nor a negative prompt.

    Raises:
        ModelNotAvailable: the parts of the folder do not fit each other.
    """

    def __init__(
        self,
        folder: Path,
        parts: dict[str, Any],
        device: torch.device,
        dtype: torch.dtype,
        window: int,
        distilled: bool,
    ) -> None:
        super().__init__(folder, parts, device, dtype, window)
        self.guided = not distilled

    def _text_features(self) -> tuple[int, int]:
        text = self.text_encoder.config
        if text.num_hidden_layers < TEXT_LAYERS[-1]:
            layers = text.num_hidden_layers
            raise self._misfit(
                Message(
                    "its text encoder has {layers} layers, fewer than {most}",
                    layers=layers,
                    most=TEXT_LAYERS[-1],
                )
            )
        return self.transformer.config.joint_attention_dim, len(TEXT_LAYERS) * text.hidden_size

    # --- words ---------------------------------------------------------------------------

    def encode(self, prompts: list[str]) -> TextEmbedding:
        """Return the text ``(L, 3·D)`` of prompts; the network was trained on the padding as well."""
        states, _ = self._hidden_states(prompts, thinking=False)
        side_by_side = torch.cat([states[layer] for layer in TEXT_LAYERS], dim=-1)
        return TextEmbedding(side_by_side.to(self.dtype).unbind())

    # --- the denoiser ----------------------------------------------------------------------

    def _shift(self, height: int, width: int, steps: int) -> float:
        from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

        return compute_empirical_mu(height * width, steps)

    def _velocity(
        self,
        noisy: torch.Tensor,
        times: torch.Tensor,
        text: TextEmbedding,
        blocks: dict[int, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        number, _, height, width = noisy.shape
        states = torch.stack(text.states)
        velocity = self.transformer(
            hidden_states=noisy.flatten(2).transpose(1, 2),
            timestep=times / 1000,
            guidance=None,
            encoder_hidden_states=states,
            txt_ids=_positions(1, 1, states.shape[1]).to(noisy.device).expand(number, -1, -1),
            img_ids=_positions(height, width, 1).to(noisy.device).expand(number, -1, -1),
            return_dict=False,
        )[0]
        return velocity.transpose(1, 2).reshape(noisy.shape)


def _positions(height: int, width: int, words: int) -> torch.Tensor:
    """Return the positions (0, row, column, word) of tokens, ``(height·width·words, 4)``, all from 0."""
    return torch.cartesian_prod(
        torch.arange(1), torch.arange(height), torch.arange(width), torch.arange(words)
    )


def _build(loaded: Loaded) -> Model:
    distilled = loaded.index.flags.get("is_distilled", False)
    return Flux2Klein(
        loaded.folder, loaded.parts, loaded.device, loaded.dtype, loaded.window, distilled=distilled
    )


def _defaults(folder: Path) -> tuple[int, float]:
    return (4, 1.0) if read_object(folder / "model_index.json").get("is_distilled") else (50, 4.0)


FAMILY = Family(
    name="FLUX.2 klein",
    pipelines=("Flux2KleinPipeline",),
    parts={
        "vae": ("AutoencoderKLFlux2",),
        "text_encoder": QWEN_3,
        "tokenizer": QWEN_TOKENIZERS,
        "transformer": ("Flux2Transformer2DModel",),
        "scheduler": FLOW_SCHEDULERS,
    },
    denoiser="transformer",
    predictions=("flow",),
    build=_build,
    window=1024,
    defaults=_defaults,
    loras=LoraNaming(
        kind="FLUX or a transformer like it",
        names=r"(double|single|joint)_(transformer_)?blocks|^(lora_)?transformer[._]transformer_blocks",
        unlike=r"transformer_blocks[._]\d+[._](img|txt)_(mlp|mod)",
    ),
    single_file=SingleFile(
        marks=("double_stream_modulation_img.lin.weight",),
        text=r"^txt_in\.weight$",
        bases={7680: "flux2-klein"},
        whole=False,
    ),
    half_precision=False,
    window_bytes=588.0,
    decoding_bytes=1536.0,
    comparing_bytes=3136.0,
)
"""Its tiny decoder, TAEF2, is of a class that diffusers does not have."""
