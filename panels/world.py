"""The sub-panel in the World properties: prompt, Generate, and the light of the installed World."""

from __future__ import annotations

import bpy

from ..engine_link import link
from ..scene.sun_lamp import is_replaced
from ..scene.world import controls
from .engine_status import draw_first_run
from .parts import draw_generate, draw_prompt, draw_text


class WORLD_PT_syncscape(bpy.types.Panel):
    """Make a World from a prompt, and turn the one that is installed"""

    bl_label = "Syncscape"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "world"

    def draw(self, context) -> None:
        layout, settings = self.layout, context.scene.syncscape
        installed = controls(context.scene.world)
        if installed is not None:
            column = layout.column()
            column.use_property_split = True
            column.prop(installed.strength, "default_value", text="Strength")
            column.prop(installed.rotation, "default_value", index=2, text="Rotation")
            column = layout.column(align=True)
            column.operator("syncscape.face_camera", icon="CAMERA_DATA")
            column.operator("syncscape.sun_behind", icon="LIGHT_SUN")
        if context.scene.world is not None:
            column = layout.column(align=True)
            column.operator("syncscape.sun_lamp", icon="OUTLINER_OB_LIGHT")
            if is_replaced(context.scene.world):
                column.operator("syncscape.sun_to_world", icon="LOOP_BACK")
        if draw_first_run(layout, context):
            return
        draw_prompt(layout, settings)
        if settings.kind == "world":
            draw_generate(layout, context)
        else:
            draw_text(layout, context, "Syncscape is set to make a plate.", "INFO")
            layout.prop_enum(settings, "kind", "world", text="Make a World Instead")
        result = link.latest("world")
        if result is not None:
            layout.operator("syncscape.apply_world", text="Apply Last World", icon="WORLD").result = result.id


_classes = (WORLD_PT_syncscape,)
register, unregister = bpy.utils.register_classes_factory(_classes)
