# SPDX-License-Identifier: GPL-3.0-or-later
"""ControlNets of U-Nets evaluated at each step (Zhang et al. 2023; loaded by ``backbones/controlnets.py``).

What a ControlNet adds is
computed for every entry of a window from that window's own part of the map, so neighbours agree where the map
does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sync_engine.backbones.model import Residuals
from sync_engine.diffusion.guides import StepGuide
from sync_engine.prompting.conditioning import Conditioning, Entry, TextEmbedding


@dataclass(frozen=True, kw_only=True)
class Control:
    """One ControlNet of a job.

    Attributes:
        net: diffusers' ``ControlNetModel`` or ``ControlNetUnionModel`` on the model's device.
        mode: the number of the map's kind, for a union.
        scale: how much of what it adds is added; 0 leaves the picture as it is.
        start, end: shares of the steps between which it works.
    """

    net: Any
    mode: int | None = None
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def works_at(self, step: int, steps: int) -> bool:
        """Tell whether it works at a step, by the rule of diffusers' pipelines."""
        return self.scale != 0.0 and step / steps >= self.start and (step + 1) / steps <= self.end


def maps_of(number: int, entries: Sequence[Entry]) -> list[torch.Tensor]:
    """Return the map ``(3, H, W)`` that each entry has for a control."""
    maps = [entry.control[number] for entry in entries if entry.control is not None]
    if len(maps) != len(entries):
        raise ValueError(f"control {number} has {len(maps)} maps for {len(entries)} windows")
    return maps


class ControlNets(StepGuide):
    """Adds what the ControlNets of a job say of each window's maps.

    Args:
        controls: K of them, in the order of the maps of the entries (``Entry.control``).
        steps: denoising steps of the whole run.
        guided: whether the model evaluates the negative prompt too. Both halves have residuals of their own
            then, as each is told another prompt.
        added: returns what else a U-Net of this model is told of a batch (SDXL's sizes and pooled text).
    """

    def __init__(
        self,
        controls: Sequence[Control],
        steps: int,
        guided: bool,
        added: Callable[[torch.Tensor, TextEmbedding], dict[str, torch.Tensor] | None],
    ) -> None:
        self.controls, self.steps, self.guided, self.added = controls, steps, guided, added

    def residuals(
        self,
        step: int,
        timestep: torch.Tensor,
        windows: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
    ) -> Residuals | None:
        """Return the sum of the residuals of all that work at this step, None where none does."""
        total: Residuals | None = None
        for number, control in enumerate(self.controls):
            if not control.works_at(step, self.steps):
                continue
            found = self._of(number, control, timestep, windows, conditioning, entries)
            total = found if total is None else total + found
        return total

    def _of(
        self,
        number: int,
        control: Control,
        timestep: torch.Tensor,
        windows: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
    ) -> Residuals:
        net = control.net
        maps = maps_of(number, entries)
        text = conditioning.prompts.pick([entry.prompt for entry in entries])
        noisy, shown = windows.to(net.dtype), torch.stack(maps).to(net.device, net.dtype)
        if self.guided and conditioning.guidance > 1.0:
            text = conditioning.negatives.pick([entry.negative for entry in entries]) + text
            noisy, shown = torch.cat([noisy, noisy]), torch.cat([shown, shown])
        told: dict[str, Any] = {"controlnet_cond": shown}
        if control.mode is not None:
            kinds = torch.zeros(len(noisy), net.config.num_control_type, device=net.device, dtype=net.dtype)
            kinds[:, control.mode] = 1
            told = {
                "controlnet_cond": [shown],
                "control_type": kinds,
                "control_type_idx": [control.mode],
            }
        down, middle = net(
            noisy,
            timestep,
            encoder_hidden_states=torch.stack(text.states).to(net.dtype),
            conditioning_scale=control.scale,
            added_cond_kwargs=self.added(noisy, text),
            return_dict=False,
            **told,
        )
        return Residuals(tuple(down), middle)
