# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel asks for: the settings kept in each scene."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from collections.abc import Callable, Iterable

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
from . import guide_places
from . import guides as guide_lines
from . import loras as lora_lines
from .as_spec import AsSpec
from .choices import (
    KIND_ITEMS,
    METHOD_ITEMS,
    PLATE_SIZE_ITEMS,
    PROJECTION_ITEMS,
    WEIGHTS_ITEMS,
    WORLD_SIZE_ITEMS,
)

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


class SyncscapeSettings(AsSpec, bpy.types.PropertyGroup):
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
    weights: EnumProperty(
        name="Weights",
        description="How a model's weights are kept in memory",
        items=WEIGHTS_ITEMS,
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


def register() -> None:
    """Register the group as ``Scene.syncscape``."""
    bpy.utils.register_class(SyncscapeSettings)
    bpy.types.Scene.syncscape = PointerProperty(type=SyncscapeSettings)


def unregister() -> None:
    """Remove ``Scene.syncscape``; what files hold of it stays in them."""
    del bpy.types.Scene.syncscape
    bpy.utils.unregister_class(SyncscapeSettings)
