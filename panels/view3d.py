"""The tab "Syncscape" in the 3D view's sidebar."""

from __future__ import annotations

import bpy

from .. import preferences
from ..engine_link import NO_PYTHON, link
from ..scene.settings import CUSTOM
from ..sync_engine.interface.history import Result
from . import previews
from .parts import PREVIEW_SCALE, draw_generate, draw_problem, draw_prompt, draw_text, duration


class _Tab:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Syncscape"


class VIEW3D_PT_syncscape(_Tab, bpy.types.Panel):
    """Prompt, size, seed and the Generate button"""

    bl_label = "Syncscape"

    def draw(self, context) -> None:
        layout, settings = self.layout, context.scene.syncscape
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
        column.prop(settings, "apply_when_done")
        if not preferences.engine_settings().python and link.error is None:
            draw_problem(layout, context, NO_PYTHON)
        draw_generate(layout, context)


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
            column = layout.column()
            column.active = settings.projection == "sphere"
            column.prop(settings, "prompt_zenith")
            column.prop(settings, "prompt_nadir")
        layout.prop(settings, "method")
        layout.prop(settings, "model")
        layout.prop(settings, "steps")
        layout.prop(settings, "guidance")
        column = layout.column()
        column.active = settings.method != "multidiffusion"
        column.prop(settings, "custom_sync")
        if settings.custom_sync:
            column.prop(settings, "sync_strength")
            column.prop(settings, "sync_steps")


class VIEW3D_PT_syncscape_result(_Tab, bpy.types.Panel):
    """The newest result and what can be done with it"""

    bl_label = "Last Result"
    bl_parent_id = "VIEW3D_PT_syncscape"

    @classmethod
    def poll(cls, _context) -> bool:
        return link.latest() is not None

    def draw(self, context) -> None:
        layout, result = self.layout, link.latest()
        icon = previews.icon(result.preview)
        if icon:
            layout.template_icon(icon_value=icon, scale=PREVIEW_SCALE)
        draw_text(layout, context, result.spec.prompt)
        draw_text(layout, context, _details(result))
        if result.kind == "world":
            layout.operator("syncscape.apply_world", icon="WORLD").result = result.id
        else:
            layout.operator("syncscape.apply_plate", icon="IMAGE_BACKGROUND").result = result.id
            layout.prop(context.scene.syncscape, "render_plate")
        layout.operator("syncscape.reveal", icon="FILE_FOLDER").result = result.id


def _draw_size(layout: bpy.types.UILayout, settings) -> None:
    size = f"{settings.kind}_size"
    layout.prop(settings, size)
    if getattr(settings, size) != CUSTOM:
        return
    layout.prop(settings, f"{settings.kind}_width")
    if settings.kind == "plate":
        layout.prop(settings, "plate_height")


def _details(result: Result) -> str:
    text = f"{result.spec.width} × {result.spec.pixel_height}, seed {result.spec.seed}"
    total = result.timings.get("total")
    return f"{text}, {duration(total)}" if isinstance(total, (int, float)) else text


_classes = (VIEW3D_PT_syncscape, VIEW3D_PT_syncscape_advanced, VIEW3D_PT_syncscape_result)
register, unregister = bpy.utils.register_classes_factory(_classes)
