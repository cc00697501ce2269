# SPDX-License-Identifier: GPL-3.0-or-later
"""ControlNets of U-Nets: loaded from a folder, checked against the model, evaluated at each step.

Zhang et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models". What a ControlNet adds is
computed for every entry of a window from that window's own part of the map, so neighbours agree where the map
does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sync_engine.backbones.model import Residuals
from sync_engine.catalog.safetensors_header import check_weights_file
from sync_engine.common.errors import ModelNotAvailable, first_line
from sync_engine.diffusion.guides import StepGuide
from sync_engine.prompting.conditioning import Conditioning, Entry, TextEmbedding

CLASS = "ControlNetModel"
MOST_CONFIG_BYTES = 2**20
REMEDY = "Use a ControlNet of the model's family, as a folder in diffusers' format."


@dataclass(frozen=True, kw_only=True)
class Control:
    """One ControlNet of a job.

    Attributes:
        net: diffusers' ``ControlNetModel`` on the model's device.
        scale: how much of what it adds is added; 0 leaves the picture as it is.
        start, end: shares of the steps between which it works.
    """

    net: Any
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def works_at(self, step: int, steps: int) -> bool:
        """Tell whether it works at a step, by the rule of diffusers' pipelines."""
        return self.scale != 0.0 and step / steps >= self.start and (step + 1) / steps <= self.end


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
        maps = [entry.control[number] for entry in entries if entry.control is not None]
        if len(maps) != len(entries):
            raise ValueError(f"control {number} has {len(maps)} maps for {len(entries)} windows")
        text = conditioning.prompts.pick([entry.prompt for entry in entries])
        noisy, shown = windows.to(net.dtype), torch.stack(maps).to(net.device, net.dtype)
        if self.guided and conditioning.guidance > 1.0:
            text = conditioning.negatives.pick([entry.negative for entry in entries]) + text
            noisy, shown = torch.cat([noisy, noisy]), torch.cat([shown, shown])
        down, middle = net(
            noisy,
            timestep,
            encoder_hidden_states=torch.stack(text.states).to(net.dtype),
            controlnet_cond=shown,
            conditioning_scale=control.scale,
            added_cond_kwargs=self.added(noisy, text),
            return_dict=False,
        )
        return Residuals(tuple(down), middle)


def load(folder: Path, unet: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Load a ControlNet for a U-Net: safetensors only, no code from the folder.

    Raises:
        ModelNotAvailable: it cannot be read, is of another class, or belongs to another family of models.
    """
    from diffusers.models.controlnets.controlnet import ControlNetModel

    config = _read_config(folder)
    if config.get("_class_name") != CLASS:
        raise _refused(folder, f"is of class {config.get('_class_name')}, not {CLASS}", REMEDY)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise _refused(folder, "has no safetensors weights", "Only safetensors files are read.")
    for file in files:
        check_weights_file(file)
    for name in ("in_channels", "cross_attention_dim", "block_out_channels", "addition_embed_type"):
        mine, wanted = config.get(name), unet.config.get(name)
        if _plain(mine) != _plain(wanted):
            raise _refused(
                folder, f"is for another family of models ({name} {mine}, the model's is {wanted})", REMEDY
            )
    variant = "fp16" if all(".fp16" in file.name for file in files) else None
    try:
        net: Any = ControlNetModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, torch_dtype=dtype, variant=variant
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise _refused(folder, f"cannot be loaded ({first_line(error)})", "Fetch it again.") from error
    return net.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        with (folder / "config.json").open("rb") as file:
            found = json.loads(file.read(MOST_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(
            folder, f"has no config.json that can be read ({first_line(error)})", REMEDY
        ) from error
    if not isinstance(found, dict):
        raise _refused(folder, "has a config.json that is no JSON object", REMEDY)
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _refused(folder: Path, problem: str, hint: str) -> ModelNotAvailable:
    return ModelNotAvailable(f"control = {str(folder)!r} cannot be used: it {problem}.", hint)
