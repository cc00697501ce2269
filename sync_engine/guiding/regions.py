# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions: parts of the picture with prompts of their own (layout-guided generation).

MultiDiffusion (Bar-Tal et al. 2023, region-based, section 4.2) on windows, as SyncDiffusion (Lee et al. 2023,
section 5.4) uses it: a window that a region touches is evaluated with each prompt and combined by the masks.
In the first steps a region sees its own picture outside its mask, in place of the plain colours of the paper:
with those what forms within takes their tint (``docs/experiments/2026-11-28-regions.md``).
"""

from __future__ import annotations

import dataclasses
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

    def guide(self, steps: int) -> Bootstrap:
        """Return what the regions do at each of ``steps`` steps."""
        return Bootstrap([round(region.bootstrap * steps) for region in self.regions])


@dataclass(frozen=True)
class _Own:
    """What a region's entry made of its window at a step: clean window and noise, ``(1, C, h, w)``."""

    step: int
    clean: torch.Tensor
    noise: torch.Tensor


class Bootstrap(StepGuide):
    """In its first steps a region's entry sees, outside of its mask, what it would show there itself.

    Each window that a region touches has a run of its own beside the canvas's: the entry's clean prediction
    of the whole window, with the noise that the window began with. So the part within the mask forms as a
    part of a picture of the region's prompt; then the entry sees what is around, and grows together with it.

    Args:
        steps: for so many steps, for each region.
    """

    def __init__(self, steps: Sequence[int]) -> None:
        self.steps = steps
        self._before: dict[tuple[int, int], _Own] = {}
        self._seen: dict[tuple[int, int], _Own] = {}

    def holds_state(self, step: int) -> bool:
        """Tell whether the step needs what an earlier one left here."""
        return step < max(self.steps, default=0)

    def change_windows(
        self, step: int, level: NoiseLevel, windows: torch.Tensor, entries: Sequence[Entry]
    ) -> torch.Tensor:
        """Return the windows, of early regions with their own run outside of the mask."""
        changed = []
        for window, entry in zip(windows.split(1), entries, strict=True):
            before = self._of_step_before(step, entry) if self._is_apart(step, entry) else None
            if isinstance(entry, RegionEntry) and before is not None:
                own = level.noised(before.clean, before.noise).to(window)
                window = torch.where(entry.inside.to(window.device), window, own)
            changed.append(window)
        return torch.cat(changed)

    def see_clean(
        self,
        step: int,
        level: NoiseLevel,
        windows: torch.Tensor,
        x0: torch.Tensor,
        entries: Sequence[Entry],
    ) -> None:
        """Remember what early regions made of their windows."""
        for window, clean, entry in zip(windows.split(1), x0.split(1), entries, strict=True):
            if isinstance(entry, RegionEntry) and self._is_apart(step, entry):
                noisy, clean = window.detach(), clean.detach()
                noise = (noisy - level.alpha * clean) / max(level.sigma, 1e-6)
                self._seen[entry.window, entry.region] = _Own(step, clean, noise)

    def _is_apart(self, step: int, entry: Entry) -> bool:
        return isinstance(entry, RegionEntry) and step < self.steps[entry.region]

    def _of_step_before(self, step: int, entry: Entry) -> _Own | None:
        """Return what the entry made at the step before: a method may ask for a step's windows many times."""
        key = entry.window, getattr(entry, "region", -1)
        seen = self._seen.get(key)
        if seen is not None and seen.step < step:
            self._before[key] = seen
        before = self._before.get(key)
        return before if before is not None and before.step == step - 1 else None


def background(masks: torch.Tensor) -> torch.Tensor:
    """Return what the regions ``(R, V, h, w)`` leave of every window ``(V, h, w)``, never below 0."""
    return (1 - masks.sum(dim=0)).clamp(min=0)


def _alone(spec: EnvironmentSpec, region: Region) -> EnvironmentSpec:
    prompt = region.prompt
    return dataclasses.replace(spec, prompt=prompt, prompt_zenith=prompt, prompt_nadir=prompt)
