# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a scene as a spec, and a spec as the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import bpy

from ..sync_engine.interface.limits import LIMITS
from ..sync_engine.interface.methods import METHODS
from ..sync_engine.interface.spec import EnvironmentSpec
from . import guide_spec
from . import loras as lora_lines
from .choices import CUSTOM


class AsSpec(bpy.types.PropertyGroup if TYPE_CHECKING else object):
    """What ``SyncscapeSettings`` can do beside keeping its properties."""

    def size(self) -> tuple[int, int | None]:
        """Return width and height in pixels; no height for a World, where it follows."""
        if self.kind == "world":
            return (self.world_width if self.world_size == CUSTOM else int(self.world_size)), None
        if self.plate_size == CUSTOM:
            return self.plate_width, self.plate_height
        width, height = self.plate_size.split("x")
        return int(width), int(height)

    def to_spec(self, device: str = "auto") -> EnvironmentSpec:
        """Return the job that these settings describe, not yet validated.

        Raises:
            SpecError: a guide has no place in the scene.
        """
        width, height = self.size()
        own = self.custom_sync and METHODS[self.method].has_sync_settings
        return EnvironmentSpec(
            prompt=self.prompt.strip(),
            negative=self.negative.strip(),
            kind=self.kind,
            width=width,
            height=height,
            projection=self.projection,
            trigger=self.trigger.strip(),
            weights=self.weights,
            prompt_zenith=self.prompt_zenith.strip(),
            prompt_nadir=self.prompt_nadir.strip(),
            method=self.method,
            model=self.model.strip(),
            loras=lora_lines.in_spec(self.loras),
            guides=guide_spec.in_spec(self.guides, self.id_data, self.kind),
            steps=self.steps or None,
            guidance=self.guidance or None,
            seed=self.seed if self.lock_seed else None,
            sync_strength=self.sync_strength if own else None,
            sync_steps=(self.sync_steps or None) if own else None,
            ldr=self.ldr,
            sun_stops=self.sun_stops if self.custom_sun else None,
            exposure=self.exposure if self.custom_exposure else None,
            device=device,
        )

    def to_specs(self, device: str = "auto") -> list[EnvironmentSpec]:
        """Return one job for each variation; only their seeds differ."""
        spec = self.to_spec(device)
        if spec.seed is None:
            return [spec] * self.variations
        last = int(LIMITS["seed"].maximum)
        return [replace(spec, seed=(spec.seed + number) % (last + 1)) for number in range(self.variations)]

    def take_spec(self, spec: EnvironmentSpec) -> None:
        """Set the settings to those that a picture was made with, its seed locked.

        What no setting stands for (stride, decay, precision) is left to the method's own values.
        """
        for name in ("prompt", "negative", "kind", "projection", "trigger", "prompt_zenith", "prompt_nadir"):
            setattr(self, name, getattr(spec, name))
        self.method, self.model = spec.method, spec.model
        self.weights = "fp8" if spec.weights == "fp8" else "auto"  # a record says full where nobody asked
        lora_lines.from_spec(self.loras, spec.loras)
        guide_spec.from_spec(self.guides, spec.guides, self.id_data, spec.kind)
        self._take_size(spec.width, spec.pixel_height)
        self.steps, self.guidance = spec.steps or 0, spec.guidance or 0.0
        self.lock_seed = spec.seed is not None
        self.seed = spec.seed or 0
        self.custom_sync = METHODS[spec.method].has_sync_settings and spec.sync_strength is not None
        if self.custom_sync:
            self.sync_strength, self.sync_steps = spec.sync_strength, spec.sync_steps or 0
        self.ldr = spec.ldr
        self.custom_sun, self.custom_exposure = spec.sun_stops is not None, spec.exposure is not None
        if self.custom_sun:
            self.sun_stops = spec.sun_stops
        if self.custom_exposure:
            self.exposure = spec.exposure

    def take_shape(self, spec: EnvironmentSpec) -> None:
        """Set kind, projection and size to those of a picture; its prompt too, where there is none yet."""
        self.kind, self.projection = spec.kind, spec.projection
        self._take_size(spec.width, spec.pixel_height)
        self.prompt = self.prompt or spec.prompt

    def _take_size(self, width: int, height: int) -> None:
        name = f"{self.kind}_size"
        wanted = str(width) if self.kind == "world" else f"{width}x{height}"
        listed = self.bl_rna.properties[name].enum_items
        setattr(self, name, wanted if wanted in listed else CUSTOM)
        setattr(self, f"{self.kind}_width", width)
        if self.kind == "plate":
            self.plate_height = height
