# SPDX-License-Identifier: GPL-3.0-or-later
"""Sun: operators that make a lamp of the sun in the World's picture, and give it back."""

from __future__ import annotations

import bpy

from ..scene import live, sun_lamp
from ..scene.problems import SceneProblem
from ..translations import in_words, tr
from .mixins import OnWorld
from .problems import explain_scene


class SYNCSCAPE_OT_sun_lamp(OnWorld, bpy.types.Operator):
    """Make a Sun lamp of the sun in the World's picture and take it out of the World's light"""

    bl_idname = "syncscape.sun_lamp"
    bl_label = "Sun Lamp from World"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context) -> set[str]:
        live.restore()  # the lamp is for the scene's own World
        try:
            lamp = sun_lamp.replace_sun(context.scene)
        except SceneProblem as error:
            self.report({"ERROR"}, in_words(explain_scene(error)))
            return {"CANCELLED"}
        self.report({"INFO"}, tr("{lamp} gives {watts:.3g} W/m²", lamp=lamp.name, watts=lamp.data.energy))
        return {"FINISHED"}


class SYNCSCAPE_OT_sun_to_world(bpy.types.Operator):
    """Remove the Sun lamp and let the World shine with its own sun again"""

    bl_idname = "syncscape.sun_to_world"
    bl_label = "Sun Back into World"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context) -> bool:
        if not sun_lamp.is_replaced(context.scene.world):
            cls.poll_message_set("The World still has its sun: no lamp was made of it")
            return False
        return True

    def execute(self, context) -> set[str]:
        try:
            sun_lamp.give_back(context.scene)
        except SceneProblem as error:  # its nodes were changed by hand since
            self.report({"ERROR"}, in_words(explain_scene(error)))
            return {"CANCELLED"}
        return {"FINISHED"}


_classes = (SYNCSCAPE_OT_sun_lamp, SYNCSCAPE_OT_sun_to_world)
register, unregister = bpy.utils.register_classes_factory(_classes)
