# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel asks for: the settings kept in each scene, and the spec made of them."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..sync_engine.interface.limits import LIMITS, WORLD_WIDTH
from ..sync_engine.interface.methods import METHODS
from ..sync_engine.interface.spec import EnvironmentSpec
from . import guide_places, guide_spec
from . import guides as guide_lines
from . import loras as lora_lines
from .choices import CUSTOM, KIND_ITEMS, METHOD_ITEMS, PLATE_SIZE_ITEMS, PROJECTION_ITEMS, WORLD_SIZE_ITEMS

SIZE_STEP = 64
MAX_VARIATIONS = 64


def _bundled_only() -> Iterable[str]:
    return ("draft",)


known_models: Callable[[], Iterable[str]] = _bundled_only
"""Returns the names to suggest as the model; the engine's own answer once there is one."""


def _snap(name: str, step: int):
    """Return an update callback that moves a size to the nearest multiple of ``step``."""

    def update(self, _context) -> None:
        nearest = max(step, round(getattr(self, name) / step) * step)
        if nearest != getattr(self, name):
            setattr(self, name, nearest)

    return update


def _whole(name: str, **overrides) -> dict:
    """Return ``min`` and ``max`` of an integer property from the spec's limits."""
    return {"min": int(LIMITS[name].minimum), "max": int(LIMITS[name].maximum)} | overrides


def _model_names(_self, _context, edit_text: str) -> list[str]:
    """Suggest the models that the engine told of; any folder or hub id can be typed too."""
    return [name for name in known_models() if edit_text.lower() in name.lower()]


class SyncscapeSettings(bpy.types.PropertyGroup):
    """The settings of one scene; ``to_spec`` turns them into a job."""

    prompt: StringProperty(
        name="Prompt",
        description="Describe the place in a few words, for example: desert at sunset, low sun, red rocks",
    )
    negative: StringProperty(
        name="Negative",
        description="What the picture should not show, for example: people, text, buildings",
    )
    prompt_zenith: StringProperty(
        name="Zenith",
        description="What the view straight up shows. Empty: the sky that fits the prompt",
    )
    prompt_nadir: StringProperty(
        name="Nadir",
        description="What the view straight down shows. Empty: the ground that fits the prompt",
    )
    projection: EnumProperty(
        name="Projection",
        description="How a World is painted",
        items=PROJECTION_ITEMS,
        default="auto",
    )
    trigger: StringProperty(
        name="Trigger Words",
        description="Words that a panorama's model or LoRA was trained with, put before the prompt. "
        "Empty: those that its file tells",
    )
    kind: EnumProperty(name="Kind", description="What to make", items=KIND_ITEMS, default="world")
    world_size: EnumProperty(
        name="Size", description="Pixels of the World", items=WORLD_SIZE_ITEMS, default="1024"
    )
    world_width: IntProperty(
        name="Width",
        description="Width of the World in pixels, a multiple of 128; the height is half of it",
        default=1024,
        min=int(WORLD_WIDTH.minimum),
        max=int(WORLD_WIDTH.maximum),
        subtype="PIXEL",
        update=_snap("world_width", WORLD_WIDTH.step),
    )
    plate_size: EnumProperty(
        name="Size", description="Pixels of the plate", items=PLATE_SIZE_ITEMS, default="2048x512"
    )
    plate_width: IntProperty(
        name="Width",
        description="Width of the plate in pixels, a multiple of 64",
        default=2048,
        subtype="PIXEL",
        update=_snap("plate_width", SIZE_STEP),
        **_whole("width"),
    )
    plate_height: IntProperty(
        name="Height",
        description="Height of the plate in pixels, a multiple of 64",
        default=512,
        subtype="PIXEL",
        update=_snap("plate_height", SIZE_STEP),
        **_whole("height"),
    )
    seed: IntProperty(
        name="Seed",
        description="The same settings and seed give the same picture. Unlocked, each picture gets a new one",
        **_whole("seed"),
    )
    variations: IntProperty(
        name="Variations",
        description="How many pictures Generate asks for. Each gets a seed of its own; with a locked seed "
        "they count up from it",
        default=1,
        min=1,
        max=MAX_VARIATIONS,
        soft_max=16,
    )
    lock_seed: BoolProperty(
        name="Lock Seed", description="Use this seed again instead of drawing a new one", default=False
    )
    method: EnumProperty(
        name="Method",
        description="How the windows that make up the picture are joined",
        items=METHOD_ITEMS,
        default="sync",
    )
    model: StringProperty(
        name="Model",
        description="The model to paint with: draft (bundled), another model's name, a folder or a file",
        default="draft",
        search=_model_names,
        search_options={"SUGGESTION"},
    )
    guides: CollectionProperty(
        type=guide_lines.SyncscapeGuide,
        name="Guides",
        description="What is where in the picture, each placed by an object",
    )
    active_guide: IntProperty(
        name="Guide", description="The guide whose settings are shown", min=0, options={"HIDDEN"}
    )
    viewpoint: EnumProperty(
        name="Viewpoint",
        description="Where the directions to guides are seen from",
        items=guide_places.VIEWPOINT_ITEMS,
        default="CAMERA",
    )
    viewpoint_object: PointerProperty(
        name="From",
        description="The object from whose origin guides are seen. None: the 3D cursor",
        type=bpy.types.Object,
    )
    loras: CollectionProperty(
        type=lora_lines.SyncscapeLora,
        name="LoRAs",
        description="Files of changes to the model, each with a weight",
    )
    steps: IntProperty(
        name="Steps",
        description="Denoising steps: more are slower and finer. 0 uses the model's own number",
        default=0,
        **_whole("steps", min=0),
    )
    guidance: FloatProperty(
        name="Guidance",
        description="How closely the picture follows the prompt. 0 uses the model's own value",
        default=0.0,
        min=LIMITS["guidance"].minimum,
        max=LIMITS["guidance"].maximum,
        soft_max=15.0,
    )
    custom_sync: BoolProperty(
        name="Own Sync Settings",
        description="Set the strength and the number of steps of sync instead of the method's own values",
    )
    sync_strength: FloatProperty(
        name="Strength",
        description="Weight of the sync gradient, which brings the windows together: 3 is normal for Sync "
        "(plates 1), 20 as published",
        default=3.0,
        min=LIMITS["sync_strength"].minimum,
        max=LIMITS["sync_strength"].maximum,
        soft_max=20.0,
    )
    sync_steps: IntProperty(
        name="Sync Steps",
        description="Number of initial steps with sync, every second of them where a model's windows are "
        "decoded for it. 0 uses the method's own number",
        default=0,
        **_whole("sync_steps"),
    )
    ldr: BoolProperty(
        name="Keep Low Range",
        description="Add no light to the World: its brightest place stays as bright as white",
        default=False,
    )
    custom_sun: BoolProperty(
        name="Own Sun Strength",
        description="Set how strong the lights of the World are instead of estimating it from the picture",
        default=False,
    )
    sun_stops: FloatProperty(
        name="Sun Strength",
        description="Strength of the World's lights in stops over everything else: at 0 they give a surface "
        "that faces them as much light as all the rest",
        default=2.0,
        min=LIMITS["sun_stops"].minimum,
        max=LIMITS["sun_stops"].maximum,
        soft_min=-4.0,
        soft_max=6.0,
    )
    custom_exposure: BoolProperty(
        name="Own Exposure",
        description="Set the exposure of the World instead of darkening it where its light would burn out "
        "a white ball",
        default=False,
    )
    exposure: FloatProperty(
        name="Exposure",
        description="Brighter or darker World, in stops (EV)",
        default=0.0,
        min=LIMITS["exposure"].minimum,
        max=LIMITS["exposure"].maximum,
        soft_min=-6.0,
        soft_max=6.0,
    )
    apply_when_done: BoolProperty(
        name="Apply When Done",
        description="Install the picture in this scene as soon as it is ready, as one undo step",
        default=True,
    )
    live_world: BoolProperty(
        name="Preview as World",
        description="While a World is made, light this scene with the unfinished picture. The scene's own "
        "World comes back if the job is cancelled or fails, and before saving or rendering",
        default=False,
    )
    world_before: PointerProperty(
        name="World Before",
        description="The scene's own World while an unfinished picture stands in for it",
        type=bpy.types.World,
        options={"HIDDEN"},
    )
    render_plate: BoolProperty(
        name="Plate in Render",
        description="Also put the plate behind the render: compositor nodes and a transparent film",
        default=False,
    )

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


def register() -> None:
    """Register the group as ``Scene.syncscape``."""
    bpy.utils.register_class(SyncscapeSettings)
    bpy.types.Scene.syncscape = PointerProperty(type=SyncscapeSettings)


def unregister() -> None:
    """Remove ``Scene.syncscape``; what files hold of it stays in them."""
    del bpy.types.Scene.syncscape
    bpy.utils.unregister_class(SyncscapeSettings)
