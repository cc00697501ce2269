# SPDX-License-Identifier: GPL-3.0-or-later
"""Ground: operators that lay the World's ground under the scene's objects, and take it away."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import bpy
from bpy.props import FloatProperty

from ..scene import ground
from .backdrop import attempt
from .mixins import OnWorld


class SYNCSCAPE_OT_add_ground(OnWorld, bpy.types.Operator):
    """Lay a disc at the 3D cursor that looks like the World's ground and takes shadows"""

    bl_idname = "syncscape.add_ground"
    bl_label = "Ground from World"
    bl_options = {"REGISTER", "UNDO"}

    height: FloatProperty(
        name="Camera Height",
        description="How high above the ground the panorama was seen from",
        default=ground.DEFAULT_HEIGHT,
        min=0.01,
        soft_max=100.0,
        unit="LENGTH",
    )
    radius: FloatProperty(
        name="Radius",
        description="Of the disc; its edge fades into the picture",
        default=ground.DEFAULT_RADIUS,
        min=0.1,
        soft_max=1000.0,
        unit="LENGTH",
    )

    def execute(self, context) -> set[str]:
        return attempt(self, lambda: ground.add(context.scene, self.height, self.radius))


class SYNCSCAPE_OT_remove_ground(bpy.types.Operator):
    """Take the ground of the World away again"""

    bl_idname = "syncscape.remove_ground"
    bl_label = "Remove Ground"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context) -> bool:
        if ground.of(context.scene) is None:
            cls.poll_message_set("The scene has no ground from a World")
            return False
        return True

    def execute(self, context) -> set[str]:
        ground.remove(context.scene)
        return {"FINISHED"}


_classes = (SYNCSCAPE_OT_add_ground, SYNCSCAPE_OT_remove_ground)
register, unregister = bpy.utils.register_classes_factory(_classes)
