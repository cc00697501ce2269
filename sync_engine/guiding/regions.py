# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions: parts of the picture with prompts of their own (layout-guided generation).

MultiDiffusion (Bar-Tal et al. 2023, region-based, section 4.2) on windows, as SyncDiffusion (Lee et al. 2023,
section 5.4) uses it: a window that a region touches is evaluated with each prompt and combined by the masks.
In the first steps a region sees a plain colour outside its mask, so that what it shows forms inside.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sync_engine.backbones.model import Model
from sync_engine.canvas import Canvas
from sync_engine.diffusion.guides import StepGuide
from sync_engine.diffusion.prediction import NoiseLevel
from sync_engine.guiding.masks import (
    Field,
    GuideError,
    cap_on_plate,
    cap_on_sphere,
    mask_picture,
    window_masks,
)
from sync_engine.interface.guides import Region
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.wording import Message
from sync_engine.prompting.conditioning import Conditioning, Entry
from sync_engine.prompting.view_prompts import phrases_of, window_prompts


@dataclass(frozen=True)
class RegionEntry(Entry):
    """An entry of a region.

    Attributes:
        region: its number.
        inside: where in the window it is, ``(h, w)`` booleans.
    """

    region: int = 0
    inside: torch.Tensor = dataclasses.field(default_factory=lambda: torch.ones(1, 1, dtype=torch.bool))


class Regions:
    """The regions of a job, their masks read.

    Args:
        spec: validated.

    Raises:
        GuideError, UnreadablePicture: a mask cannot be used.
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        self.spec = spec
        self.numbers = [n for n, guide in enumerate(spec.guides) if isinstance(guide, Region)]
        self.regions = [guide for guide in spec.guides if isinstance(guide, Region)]
        self._fields = [self._field(region) for region in self.regions]

    def __bool__(self) -> bool:
        return bool(self.regions)

    def _field(self, region: Region) -> Field:
        aspect = self.spec.width / self.spec.pixel_height
        if region.mask:
            return mask_picture(Path(region.mask), aspect, wrap=self.spec.kind == "world")
        cap = region.cap(self.spec.canvas)
        return cap_on_plate(cap, aspect) if self.spec.kind == "plate" else cap_on_sphere(cap)

    def conditioning(
        self,
        model: Model,
        canvas: Canvas,
        backgrounds: Sequence[str],
        guidance: float,
    ) -> Conditioning:
        """Return the entries of every window: its background and the regions that it sees.

        Args:
            model: encodes the prompts.
            canvas: of the windows.
            backgrounds: the prompt of each window without regions.
            guidance: classifier-free guidance scale.

        Raises:
            GuideError: a region is smaller than a cell, or seen by no window.
        """
        masks = self.masks(canvas)
        phrases = phrases_of(model.folder)
        texts = [
            window_prompts(_alone(self.spec, region), canvas.elevations, phrases) for region in self.regions
        ]
        negatives = [self.spec.negative, *(r.negative or self.spec.negative for r in self.regions)]
        prompts = list(dict.fromkeys([*backgrounds, *(text for row in texts for text in row)]))
        distinct = list(dict.fromkeys(negatives))
        rest = background(masks)
        entries: list[Entry] = []
        for window, prompt in enumerate(backgrounds):
            seen = [number for number in range(len(masks)) if bool(masks[number, window].any())]
            mask = rest[window] if seen else None
            entries.append(Entry(window, prompts.index(prompt), distinct.index(negatives[0]), mask))
            for number in seen:
                region, mask = self.regions[number], masks[number, window]
                entries.append(
                    RegionEntry(
                        window,
                        prompts.index(texts[number][window]),
                        distinct.index(negatives[number + 1]),
                        mask,
                        region=number,
                        inside=mask > region.strength / 2,
                    )
                )
        used = sorted({entry.prompt for entry in entries})
        entries = [dataclasses.replace(entry, prompt=used.index(entry.prompt)) for entry in entries]
        encoded = model.encode([prompts[number] for number in used])
        return Conditioning(encoded, model.encode(distinct), tuple(entries), guidance)

    def masks(self, canvas: Canvas) -> torch.Tensor:
        """Return how much each region counts in each window, ``(R, V, h, w)``, float32."""
        found = []
        for number, region, field in zip(self.numbers, self.regions, self._fields, strict=True):
            masks, name = window_masks(field, canvas), f"guides[{number}] ({region.prompt})"
            if not bool(masks.any()):
                raise GuideError(
                    Message("The region {name} is outside of every window.", name=name),
                    "Make it larger, or move it.",
                )
            if float(masks.max()) < 0.5:
                raise GuideError(
                    Message("The region {name} is smaller than a latent cell.", name=name),
                    "Make it larger, or the picture.",
                )
            found.append(masks * region.strength)
        return torch.stack(found)

    def guide(self, model: Model, steps: int) -> Bootstrap:
        """Return what the regions do at each of ``steps`` steps."""
        seed = int(self.spec.seed or 0)
        size = model.window * model.scale
        colours = []
        for number in range(len(self.regions)):
            drawn = random.Random(f"{seed} region {number}")
            colour = torch.tensor([drawn.uniform(-1, 1) for _ in range(3)])
            picture = colour[None, :, None, None].expand(1, 3, size, size).to(model.device)
            with torch.no_grad():
                plain = model.encode_picture(picture)
            colours.append(plain.mean(dim=(2, 3), keepdim=True))
        return Bootstrap(colours, [round(region.bootstrap * steps) for region in self.regions], seed)


class Bootstrap(StepGuide):
    """Shows a region's entries a plain colour outside of its mask, in its first steps.

    Args:
        colours: latents ``(1, C, 1, 1)`` for each region.
        steps: for so many steps, for each region.
        seed: of the colour's noise.
    """

    def __init__(self, colours: Sequence[torch.Tensor], steps: Sequence[int], seed: int) -> None:
        self.colours, self.steps, self.seed = colours, steps, seed

    def change_windows(
        self, step: int, level: NoiseLevel, windows: torch.Tensor, entries: Sequence[Entry]
    ) -> torch.Tensor:
        """Return the windows, of early regions with the colour outside."""
        if not any(isinstance(e, RegionEntry) and step < self.steps[e.region] for e in entries):
            return windows
        changed = []
        for window, entry in zip(windows.split(1), entries, strict=True):
            if isinstance(entry, RegionEntry) and step < self.steps[entry.region]:
                drawn = random.Random(f"{self.seed} {step} {entry.region} {entry.window}").getrandbits(62)
                noise = torch.randn(window.shape, generator=torch.Generator().manual_seed(drawn))
                plain = self.colours[entry.region].to(window).expand_as(window)
                outside = level.noised(plain, noise.to(window))
                window = torch.where(entry.inside.to(window.device), window, outside)
            changed.append(window)
        return torch.cat(changed)


def background(masks: torch.Tensor) -> torch.Tensor:
    """Return what the regions ``(R, V, h, w)`` leave of every window ``(V, h, w)``, never below 0."""
    return (1 - masks.sum(dim=0)).clamp(min=0)


def _alone(spec: EnvironmentSpec, region: Region) -> EnvironmentSpec:
    prompt = region.prompt
    return dataclasses.replace(spec, prompt=prompt, prompt_zenith=prompt, prompt_nadir=prompt)
