# SPDX-License-Identifier: GPL-3.0-or-later
"""ControlNets of transformers evaluated at each step, and which guide a model's ControlNets are.

They see a map as latents, which are encoded once a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad, pixel_unshuffle

from sync_engine.backbones.model import BlockResiduals, Model
from sync_engine.backbones.qwen_image import PATCH, QwenImage, padded
from sync_engine.backbones.z_image import ZImage
from sync_engine.diffusion.controlnet import Control, ControlNets, maps_of
from sync_engine.diffusion.guides import StepGuide
from sync_engine.prompting.conditioning import Conditioning, Entry


def guide_for(model: Model, controls: Sequence[Control], steps: int) -> StepGuide:
    """Return what ControlNets do beside a loaded model in a run of so many steps."""
    if isinstance(model, ZImage):
        return ZImageControls(controls, steps, model)
    if isinstance(model, QwenImage):
        return QwenImageControls(controls, steps, model)
    unet: Any = model  # no other family has ControlNets (catalog.control_nets.CLASSES)
    return ControlNets(controls, steps, unet.guided and unet.evaluates_negative, unet.added_conditions)


class TransformerControls(StepGuide):
    """Adds what the ControlNets of a transformer say.

    Args:
        controls: K of them, in the order of the maps of the entries.
        steps: denoising steps of the whole run.
        model: encodes maps.
    """

    def __init__(self, controls: Sequence[Control], steps: int, model: Any) -> None:
        self.controls, self.steps, self.model = controls, steps, model
        self._encoded: dict[tuple[int, int], torch.Tensor] = {}

    def residuals(
        self,
        step: int,
        timestep: torch.Tensor,
        windows: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
    ) -> BlockResiduals | None:
        """Return the sum of what all that work at this step add, None where none does."""
        total: BlockResiduals | None = None
        for number, control in enumerate(self.controls):
            if control.works_at(step, self.steps):
                added = BlockResiduals(
                    self._blocks(number, control, timestep, windows, conditioning, entries)
                )
                total = added if total is None else total + added
        return total

    def _blocks(
        self,
        number: int,
        control: Control,
        timestep: torch.Tensor,
        windows: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
    ) -> dict[int, torch.Tensor]:
        raise NotImplementedError

    def _is_guided(self, conditioning: Conditioning) -> bool:
        return self.model.guided and conditioning.guidance > 1.0

    @torch.no_grad()
    def _latents(self, number: int, entries: Sequence[Entry]) -> torch.Tensor:
        """Return the latents ``(N, C, h, w)`` of the entries' maps."""
        found = []
        for entry, shown in zip(entries, maps_of(number, entries), strict=True):
            key = number, entry.window
            if key not in self._encoded:
                picture = shown[None].mul(2).sub(1).to(self.model.device)
                self._encoded[key] = self.model.encode_picture(picture)[0].to(self.model.dtype)
            found.append(self._encoded[key])
        return torch.stack(found)


class ZImageControls(TransformerControls):
    """Z-Image's: evaluated with both prompts of a guided batch; latents are filled up with zeros."""

    def _blocks(
        self,
        number: int,
        control: Control,
        timestep: torch.Tensor,
        windows: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
    ) -> dict[int, torch.Tensor]:
        text = conditioning.prompts.pick([entry.prompt for entry in entries])
        noisy, times = windows.to(self.model.dtype), timestep.to(torch.float32).expand(len(entries))
        seen = self._latents(number, entries)
        if self._is_guided(conditioning):
            text += conditioning.negatives.pick([entry.negative for entry in entries])
            noisy, seen, times = torch.cat([noisy, noisy]), torch.cat([seen, seen]), times.repeat(2)
        more = control.net.config.control_in_dim - seen.shape[1]
        return control.net(
            list(noisy.unsqueeze(2).unbind()),
            (1000 - times) / 1000,
            list(text.states),
            pad(seen, (0, 0, 0, 0, 0, more)).unsqueeze(2),
            conditioning_scale=control.scale,
        )


class QwenImageControls(TransformerControls):
    """Qwen-Image's: evaluated with the prompt alone, and added to both halves of a guided batch."""

    def _blocks(
        self,
        number: int,
        control: Control,
        timestep: torch.Tensor,
        windows: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
    ) -> dict[int, torch.Tensor]:
        states, words = padded(conditioning.prompts.pick([entry.prompt for entry in entries]).states)
        noisy, seen = (
            pixel_unshuffle(part.to(self.model.dtype), PATCH).flatten(2).transpose(1, 2)
            for part in (windows, self._latents(number, entries))
        )
        samples = control.net(
            hidden_states=noisy,
            controlnet_cond=seen,
            conditioning_scale=control.scale,
            encoder_hidden_states=states,
            encoder_hidden_states_mask=words,
            timestep=timestep.to(torch.float32).expand(len(entries)) / 1000,
            img_shapes=[[(1, windows.shape[2] // PATCH, windows.shape[3] // PATCH)]] * len(entries),
            return_dict=False,
        )
        if self._is_guided(conditioning):
            samples = [torch.cat([sample, sample]) for sample in samples]
        layers = self.model.transformer.config.num_layers
        every = -(-layers // len(samples))
        return {layer: samples[layer // every] for layer in range(layers)}
