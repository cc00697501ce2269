# SPDX-License-Identifier: GPL-3.0-or-later
"""Z-Image and Z-Image-Turbo: one transformer over the tokens of text and picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sync_engine.backbones.flow import FLOW_SCHEDULERS, QWEN_3, QWEN_TOKENIZERS, FlowTransformer
from sync_engine.backbones.model import Model
from sync_engine.catalog.families import Family, Loaded, LoraNaming, SingleFile, read_object
from sync_engine.common.late import torch
from sync_engine.prompting.conditioning import TextEmbedding

PATCH = 2
"""Latent cells along each side of one token."""
TURBO_SHIFT = 3.0
"""Turbo shifts its noise levels by this, the model that it was distilled from by 6."""


class ZImage(FlowTransformer):
    """Z-Image (Tongyi-MAI 2025). The prompt is the language model's last-but-one hidden state.

    Raises:
        ModelNotAvailable: the parts of the folder do not fit each other.
    """

    takes_blocks = True

    def __init__(
        self, folder: Path, parts: dict[str, Any], device: torch.device, dtype: torch.dtype, window: int
    ) -> None:
        super().__init__(folder, parts, device, dtype, window)
        self.window -= self.window % PATCH
        self._check_text(self.transformer.config.cap_feat_dim, self.text_encoder.config.hidden_size)

    def encode(self, prompts: list[str]) -> TextEmbedding:
        """Return the hidden states of prompts, without their padding."""
        states, words = self._hidden_states(prompts, thinking=True)
        pairs = zip(states[-2], words, strict=True)
        return TextEmbedding(tuple(state[kept].to(self.dtype) for state, kept in pairs))

    def _shift(self, height: int, width: int, steps: int) -> float:
        from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift

        names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
        config = self._scheduler.config
        return calculate_shift((height // PATCH) * (width // PATCH), *(config[name] for name in names))

    def _velocity(
        self,
        noisy: torch.Tensor,
        times: torch.Tensor,
        text: TextEmbedding,
        blocks: dict[int, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """The network's time runs from noise to picture, and so does its velocity: both are turned round.

        It numbers a picture's tokens itself, from 0 after those of the text.
        """
        frames = list(noisy.unsqueeze(2).unbind())
        velocity = self.transformer(
            frames,
            (1000 - times) / 1000,
            list(text.states),
            controlnet_block_samples=blocks,
            return_dict=False,
        )[0]
        return -torch.stack(velocity).squeeze(2)


def _build(loaded: Loaded) -> Model:
    return ZImage(loaded.folder, loaded.parts, loaded.device, loaded.dtype, loaded.window)


def _defaults(folder: Path) -> tuple[int, float]:
    shift = read_object(folder / "scheduler" / "scheduler_config.json").get("shift", TURBO_SHIFT)
    return (50, 5.0) if isinstance(shift, (int, float)) and shift > TURBO_SHIFT else (8, 1.0)


FAMILY = Family(
    name="Z-Image",
    pipelines=("ZImagePipeline",),
    parts={
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "text_encoder": QWEN_3,
        "tokenizer": QWEN_TOKENIZERS,
        "transformer": ("ZImageTransformer2DModel",),
        "scheduler": FLOW_SCHEDULERS,
    },
    denoiser="transformer",
    predictions=("flow",),
    build=_build,
    window=1024,
    defaults=_defaults,
    tiny_decoder="taef1",
    loras=LoraNaming(
        kind="Z-Image",
        names=r"noise_refiner|context_refiner|(^|[._])layers[._]\d+[._](attention|feed_forward)",
    ),
    single_file=SingleFile(
        marks=("cap_embedder.1.weight", "noise_refiner."),
        text=r"^cap_embedder\.1\.weight$",
        bases={2560: "z-image-turbo"},
        whole=False,
    ),
    half_precision=False,
    window_bytes=534.0,
    decoding_bytes=1536.0,
)
