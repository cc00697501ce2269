# SPDX-License-Identifier: GPL-3.0-or-later
"""Z-Image and Z-Image-Turbo: one transformer over the tokens of text and picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sync_engine.backbones.flow import FlowTransformer

PATCH = 2
"""Latent cells along each side of one token."""


@dataclass(frozen=True)
class Text:
    """The hidden states ``(L, D)`` of prompts, each of its own length."""

    states: list[torch.Tensor]

    def __getitem__(self, index: list[int]) -> Text:
        return Text([self.states[number] for number in index])


class ZImage(FlowTransformer):
    """Z-Image (Tongyi-MAI 2025). The prompt is the language model's last-but-one hidden state.

    Raises:
        ModelNotAvailable: the parts of the folder do not fit each other.
    """

    def __init__(
        self, folder: Path, parts: dict[str, Any], device: torch.device, dtype: torch.dtype, window: int
    ) -> None:
        super().__init__(folder, parts, device, dtype, window)
        self.window -= self.window % PATCH
        wanted, given = self.transformer.config.cap_feat_dim, self.text_encoder.config.hidden_size
        if wanted != given:
            raise self._misfit(f"its transformer wants text of {wanted} features, its encoder gives {given}")

    def encode(self, prompts: list[str]) -> Text:
        """Return the hidden states of prompts, without their padding."""
        states, words = self._hidden_states(prompts, thinking=True)
        return Text([state[kept].to(self.dtype) for state, kept in zip(states[-2], words, strict=True)])

    def _shift(self, height: int, width: int, steps: int) -> float:
        from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift

        names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
        config = self._scheduler.config
        return calculate_shift((height // PATCH) * (width // PATCH), *(config[name] for name in names))

    def _join(self, first: Text, second: Text) -> Text:
        return Text([*first.states, *second.states])

    def _velocity(self, noisy: torch.Tensor, times: torch.Tensor, text: Text) -> torch.Tensor:
        """The network's time runs from noise to picture, and so does its velocity: both are turned round.

        It numbers a picture's tokens itself, from 0 after those of the text.
        """
        frames = list(noisy.unsqueeze(2).unbind())
        velocity = self.transformer(frames, (1000 - times) / 1000, text.states, return_dict=False)[0]
        return -torch.stack(velocity).squeeze(2)
