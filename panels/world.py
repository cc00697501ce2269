# SPDX-License-Identifier: GPL-3.0-or-later
"""The sub-panel in the World properties: prompt, Generate, and the light of the installed World."""

from __future__ import annotations

import bpy

from ..engine.library import results
from ..scene import backdrop, ground, sizes
from ..scene.sun_lamp import is_replaced
from ..scene.world import controls
from ..translations import tr
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
            _draw_size(layout, context.scene.world)
            _draw_backdrop(layout, context.scene)
            _draw_ground(layout, context.scene)
        if draw_first_run(layout, context):
            return
        draw_prompt(layout, settings)
        if settings.kind == "world":
            draw_generate(layout, context)
        else:
            draw_text(layout, context, "Syncscape is set to make a plate.", "INFO")
            layout.prop_enum(settings, "kind", "world", text="Make a World Instead")
        result = results.latest("world")
        if result is not None:
            layout.operator("syncscape.apply_world", text="Apply Last World", icon="WORLD").result = result.id


def _draw_size(layout: bpy.types.UILayout, world: bpy.types.World) -> None:
    """Draw the picture's sizes as they are chosen, and what keeps it with the file."""
    viewport, render = (str(width) if width else tr("Full") for width in sizes.widths(world))
    text = tr("Size: {viewport} / {render}", viewport=viewport, render=render)
    column = layout.column(align=True)
    column.operator_context = "INVOKE_DEFAULT"
    column.operator("syncscape.world_size", text=text, translate=False, icon="TEXTURE")
    column.operator("syncscape.pack_pictures", icon="PACKAGE")
    column.operator("syncscape.collect_pictures", icon="FILE_FOLDER")
    if bpy.ops.syncscape.relink_pictures.poll():
        column.operator("syncscape.relink_pictures", icon="LIBRARY_DATA_DIRECT")


def _draw_backdrop(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    """Draw what the camera sees, where that is apart from the light."""
    if not backdrop.is_separate(scene.world):
        layout.operator("syncscape.separate_backdrop", icon="IMAGE_BACKGROUND")
        return
    box = layout.box().column()
    box.use_property_split = True
    found = backdrop.sockets(scene.world)
    if found is not None:
        box.prop(found.exposure, "default_value", text="Exposure (EV)")
        box.prop(found.tint, "default_value", text="Tint")
        box.prop(found.rotation, "default_value", index=2, text="Rotation")
        box.prop(found.flat, "default_value", text="Flat Colour")
        row = box.row()
        row.active = found.flat.default_value > 0.0
        row.prop(found.colour, "default_value", text=" ")
    box.operator("syncscape.blur_backdrop").degrees = backdrop.blur_of(scene.world)
    box.prop(scene.render, "film_transparent", text="Transparent")
    box.operator("syncscape.join_backdrop", icon="LOOP_BACK")


def _draw_ground(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    """Draw the ground's camera height and reflection, where there is a ground."""
    disc = ground.of(scene)
    if disc is None:
        layout.operator("syncscape.add_ground", icon="MESH_CIRCLE")
        return
    box = layout.box().column()
    box.use_property_split = True
    box.prop(ground.height_socket(disc), "default_value", text="Camera Height")
    box.prop(ground.reflection_socket(disc), "default_value", text="Reflection")
    box.operator("syncscape.remove_ground", icon="X")


_classes = (WORLD_PT_syncscape,)
register, unregister = bpy.utils.register_classes_factory(_classes)
