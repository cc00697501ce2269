# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab "Syncscape" in the 3D view's sidebar."""

from __future__ import annotations

import bpy

from ..engine.link import link
from ..operators import shading
from ..settings.choices import CUSTOM
from ..sync_engine.interface.memory_plan import MemoryPlan
from ..sync_engine.interface.methods import METHODS
from .engine_status import draw_first_run
from .parts import draw_generate, draw_prompt, draw_text
from .presets import SYNCSCAPE_PT_presets


class _Tab:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Syncscape"


class VIEW3D_PT_syncscape(_Tab, bpy.types.Panel):
    """Prompt, size, seed and the Generate button"""

    bl_label = "Syncscape"

    def draw_header_preset(self, _context) -> None:
        SYNCSCAPE_PT_presets.draw_panel_header(self.layout)

    def draw(self, context) -> None:
        layout, settings = self.layout, context.scene.syncscape
        if draw_first_run(layout, context):
            return
        draw_prompt(layout, settings)
        layout.row().prop(settings, "kind", expand=True)
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        _draw_size(column, settings)
        row = column.row(align=True)
        locked = settings.lock_seed
        number = row.row(align=True)
        number.active = locked  # unlocked, the number shown is the last picture's, not the next one's
        number.prop(settings, "seed")
        row.prop(settings, "lock_seed", text="", icon="LOCKED" if locked else "UNLOCKED", toggle=True)
        column.prop(settings, "variations")
        column.prop(settings, "apply_when_done")
        if settings.kind == "world":
            column.prop(settings, "live_world")
        draw_generate(layout, context)
        if shading.hides_world(context):
            layout.operator("syncscape.show_in_viewport", icon="SHADING_RENDERED")


class VIEW3D_PT_syncscape_advanced(_Tab, bpy.types.Panel):
    """What the picture should not show, method, model, steps and strength"""

    bl_label = "Advanced"
    bl_parent_id = "VIEW3D_PT_syncscape"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context) -> None:
        layout, settings = self.layout, context.scene.syncscape
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "negative")
        if settings.kind == "world":
            layout.prop(settings, "projection")
            if settings.projection in ("auto", "panorama"):
                layout.prop(settings, "trigger")
            column = layout.column()
            column.active = settings.projection != "equirectangular"
            column.prop(settings, "prompt_zenith")
            column.prop(settings, "prompt_nadir")
        layout.prop(settings, "method")
        layout.prop(settings, "model")
        layout.prop(settings, "weights")
        _draw_memory_plan(layout, context, settings.model.strip())
        _draw_loras(layout, settings)
        layout.prop(settings, "steps")
        layout.prop(settings, "guidance")
        column = layout.column()
        column.active = METHODS[settings.method].has_sync_settings
        column.prop(settings, "custom_sync")
        if settings.custom_sync:
            column.prop(settings, "sync_strength")
            column.prop(settings, "sync_steps")
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator("syncscape.load_settings", icon="FILEBROWSER")
        layout.operator("syncscape.enlarge_file", icon="FULLSCREEN_ENTER")
        layout.operator("syncscape.batch", icon="RENDERLAYERS")


class VIEW3D_PT_syncscape_light(_Tab, bpy.types.Panel):
    """How strong the lights of a World are, and how bright it is as a whole"""

    bl_label = "Light"
    bl_parent_id = "VIEW3D_PT_syncscape"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context) -> bool:
        return context.scene.syncscape.kind == "world"

    def draw(self, context) -> None:
        layout, settings = self.layout, context.scene.syncscape
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "ldr")
        column = layout.column()
        column.active = not settings.ldr
        _draw_own(column, settings, "custom_sun", "sun_stops", "Sun Strength")
        _draw_own(layout, settings, "custom_exposure", "exposure", "Exposure")
        layout.operator("syncscape.sun_lamp", icon="OUTLINER_OB_LIGHT")


def _draw_memory_plan(layout: bpy.types.UILayout, context, model: str) -> None:
    """Say how a model would use the GPU's memory, as the engine counted it when it started."""
    plan = MemoryPlan.from_dict((link.report().get("plans") or {}).get(model))
    if plan is None or plan.peak_gb == 0:
        return
    column = layout.column(align=True)
    for number, sentence in enumerate(plan.sentences()):
        icon = "NONE" if number else "MEMORY"
        draw_text(column, context, sentence, icon if plan.fits or number else "ERROR")


def _draw_loras(layout: bpy.types.UILayout, settings) -> None:
    """Draw a line for each LoRA: its file, its weight, and a button that takes it away."""
    column = layout.column(align=True)
    for number, lora in enumerate(settings.loras):
        row = column.row(align=True)
        row.use_property_split = False
        row.prop(lora, "file", text="")
        weight = row.row(align=True)
        weight.ui_units_x = 3
        weight.prop(lora, "weight", text="")
        row.operator("syncscape.remove_lora", text="", icon="X").index = number
    row = column.row()
    row.operator_context = "INVOKE_DEFAULT"
    row.operator("syncscape.add_lora", icon="ADD")


def _draw_own(layout: bpy.types.UILayout, settings, switch: str, name: str, heading: str) -> None:
    """Draw a number that counts only while its switch is on."""
    row = layout.row(align=True, heading=heading)
    row.prop(settings, switch, text="")
    number = row.row(align=True)
    number.active = getattr(settings, switch)
    number.prop(settings, name, text="")


def _draw_size(layout: bpy.types.UILayout, settings) -> None:
    size = f"{settings.kind}_size"
    layout.prop(settings, size)
    if getattr(settings, size) != CUSTOM:
        return
    layout.prop(settings, f"{settings.kind}_width")
    if settings.kind == "plate":
        layout.prop(settings, "plate_height")


_classes = (VIEW3D_PT_syncscape, VIEW3D_PT_syncscape_advanced, VIEW3D_PT_syncscape_light)
register, unregister = bpy.utils.register_classes_factory(_classes)
