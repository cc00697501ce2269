# SPDX-License-Identifier: GPL-3.0-or-later
"""Show in Viewport: an operator that lets a 3D view show the World."""

from __future__ import annotations

import bpy

from ..scene.world import controls


def hides_world(context) -> bool:
    """Tell whether the scene has a World of Syncscape and its 3D view shows none of it."""
    space = getattr(context, "space_data", None)
    if space is None or space.type != "VIEW_3D" or controls(context.scene.world) is None:
        return False
    kind = space.shading.type
    if kind == "MATERIAL":
        return not space.shading.use_scene_world
    return kind != "RENDERED" or not space.shading.use_scene_world_render


class SYNCSCAPE_OT_show_in_viewport(bpy.types.Operator):
    """Let this 3D view show the World: material preview with the scene's own World"""

    bl_idname = "syncscape.show_in_viewport"
    bl_label = "Show in Viewport"

    @classmethod
    def poll(cls, context) -> bool:
        if context.space_data is None or context.space_data.type != "VIEW_3D":
            cls.poll_message_set("This works in a 3D view")
            return False
        return True

    def execute(self, context) -> set[str]:
        shading = context.space_data.shading
        if shading.type == "RENDERED":
            shading.use_scene_world_render = True
        else:
            shading.type = "MATERIAL"
            shading.use_scene_world = True
            shading.studiolight_background_alpha = 1.0
        return {"FINISHED"}


_classes = (SYNCSCAPE_OT_show_in_viewport,)
register, unregister = bpy.utils.register_classes_factory(_classes)
