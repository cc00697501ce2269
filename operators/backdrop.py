# SPDX-License-Identifier: GPL-3.0-or-later
"""Backdrop: operators that part what the camera sees from the World's light, and change it."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import FloatProperty

from ..scene import backdrop, live
from ..scene.problems import SceneProblem
from ..scene.world import LINEAR, load_image
from ..translations import in_words, tr
from .chosen import ResultOperator
from .mixins import Mixin, OnWorld
from .problems import explain_scene


def attempt(operator: bpy.types.Operator, work: Callable[[], object]) -> set[str]:
    """Do something to the World's nodes; report in words what cannot be done."""
    live.restore()  # it is done to the scene's own World
    try:
        work()
    except SceneProblem as error:
        operator.report({"ERROR"}, in_words(explain_scene(error)))
    except RuntimeError as error:  # a picture that Blender cannot load
        operator.report({"ERROR"}, f"{error} " + tr("Apply the World again."))
    else:
        return {"FINISHED"}
    return {"CANCELLED"}


class _OnBackdrop(Mixin):
    """An operator on a World whose background is apart from its light."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context) -> bool:
        if not backdrop.is_separate(context.scene.world):
            cls.poll_message_set("The World's background is not apart from its light")
            return False
        return True


class SYNCSCAPE_OT_separate_backdrop(OnWorld, bpy.types.Operator):
    """Let the camera see a background of its own, which can be blurred, dimmed, tinted, turned or replaced; light and reflections stay"""  # noqa: E501

    bl_idname = "syncscape.separate_backdrop"
    bl_label = "Background Apart from Light"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context) -> bool:
        if not super().poll(context):
            return False
        if backdrop.is_separate(context.scene.world):
            cls.poll_message_set("The World's background is apart from its light already")
            return False
        return True

    def execute(self, context) -> set[str]:
        return attempt(self, lambda: backdrop.separate(context.scene))


class SYNCSCAPE_OT_join_backdrop(_OnBackdrop, bpy.types.Operator):
    """Show the camera again what lights the scene"""

    bl_idname = "syncscape.join_backdrop"
    bl_label = "Background as Light"

    def execute(self, context) -> set[str]:
        return attempt(self, lambda: backdrop.join(context.scene.world))


class SYNCSCAPE_OT_blur_backdrop(_OnBackdrop, bpy.types.Operator):
    """Blur what the camera sees of the World; light and reflections stay sharp"""

    bl_idname = "syncscape.blur_backdrop"
    bl_label = "Blur Background"

    degrees: FloatProperty(
        name="Blur",
        description="How far the picture is blurred, in degrees; 0 is sharp",
        default=2.0,
        min=0.0,
        max=backdrop.MOST_BLUR,
    )

    def execute(self, context) -> set[str]:
        return attempt(self, lambda: backdrop.blur(context.scene.world, self.degrees))


class SYNCSCAPE_OT_backdrop_picture(ResultOperator, bpy.types.Operator):
    """Show the camera this result as background; the World's light stays"""

    bl_idname = "syncscape.backdrop_picture"
    bl_label = "Use as Background"
    bl_options = {"REGISTER", "UNDO"}
    kind = "world"

    def execute(self, context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}

        def show() -> None:
            image = load_image(found.image, found.id, *LINEAR)
            backdrop.show(backdrop.separate(context.scene), image)

        return attempt(self, show)


_classes = (
    SYNCSCAPE_OT_separate_backdrop,
    SYNCSCAPE_OT_join_backdrop,
    SYNCSCAPE_OT_blur_backdrop,
    SYNCSCAPE_OT_backdrop_picture,
)
register, unregister = bpy.utils.register_classes_factory(_classes)
