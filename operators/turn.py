# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn: operators that rotate the installed World around the viewer, each as one undo step."""

from __future__ import annotations

import math

import bpy

from ..scene import turn
from ..scene.problems import SceneProblem
from ..scene.world import controls, picture
from ..translations import in_words, tr
from .mixins import Mixin
from .problems import explain_scene


class _OnOwnWorld(Mixin):
    """An operator on the World of the scene, which Syncscape must have made."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context) -> bool:
        if controls(context.scene.world) is None:
            cls.poll_message_set("The scene's World was not made by Syncscape: apply one first")
            return False
        return True

    def ahead(self, context) -> float | None:
        """Return the azimuth that the viewer looks at; None, with the reason reported, if there is none."""
        matrix = _viewer(context)
        if matrix is None:
            self.report({"ERROR"}, tr("There is neither a camera nor a 3D view. Add a camera to the scene."))
            return None
        azimuth = turn.facing(matrix)
        if azimuth is None:
            self.report({"ERROR"}, tr("The camera looks straight up or down. Turn it, then try again."))
        return azimuth


class SYNCSCAPE_OT_face_camera(_OnOwnWorld, bpy.types.Operator):
    """Turn the World until the middle of its picture is before the camera (without one, before the view)"""

    bl_idname = "syncscape.face_camera"
    bl_label = "Rotate to Camera"

    def execute(self, context) -> set[str]:
        azimuth, world = self.ahead(context), controls(context.scene.world)
        if azimuth is None or world is None:
            return {"CANCELLED"}
        turn.show_at(world, 0.0, azimuth)
        return {"FINISHED"}


class SYNCSCAPE_OT_sun_behind(_OnOwnWorld, bpy.types.Operator):
    """Turn the World until its brightest light comes from behind the camera (without one, the view)"""

    bl_idname = "syncscape.sun_behind"
    bl_label = "Put the Sun Behind Me"

    def execute(self, context) -> set[str]:
        azimuth, world = self.ahead(context), controls(context.scene.world)
        if azimuth is None or world is None:
            return {"CANCELLED"}
        image = picture(context.scene.world)
        try:
            sun = turn.sun_azimuth(image) if image is not None else None
        except SceneProblem as error:
            self.report({"ERROR"}, in_words(explain_scene(error)))
            return {"CANCELLED"}
        if sun is None:
            self.report({"WARNING"}, tr("The sky of this World is dark: there is no sun to turn."))
            return {"CANCELLED"}
        turn.show_at(world, sun, azimuth + math.pi)
        return {"FINISHED"}


def _viewer(context):
    """Return the world matrix of the scene's camera, else of the biggest 3D view, else None."""
    if context.scene.camera is not None:
        return context.scene.camera.matrix_world
    areas = [area for area in context.screen.areas if area.type == "VIEW_3D"] if context.screen else []
    if not areas:
        return None
    area = max(areas, key=lambda area: area.width * area.height)
    return area.spaces.active.region_3d.view_matrix.inverted()


_classes = (SYNCSCAPE_OT_face_camera, SYNCSCAPE_OT_sun_behind)
register, unregister = bpy.utils.register_classes_factory(_classes)
