# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply: operators that install a result in the scene, each as one undo step."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty

from ..engine.link import link
from ..scene import live, plate, world
from ..scene.problems import SceneProblem, Trouble
from ..sync_engine.host.history import Result
from ..translations import in_words
from .chosen import ResultOperator, show, tell
from .problems import TROUBLES, explain_scene

NAME_LENGTH = 40


class SYNCSCAPE_OT_apply_world(ResultOperator, bpy.types.Operator):
    """Light the scene with the result: a new World, the old one stays in the file"""

    bl_idname = "syncscape.apply_world"
    bl_label = "Apply as World"
    bl_options = {"REGISTER", "UNDO"}
    kind = "world"

    def execute(self, context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        return _attempt(self, lambda: install_world(context.scene, found))


class SYNCSCAPE_OT_apply_plate(ResultOperator, bpy.types.Operator):
    """Show the result behind the scene's camera, filling its frame"""

    bl_idname = "syncscape.apply_plate"
    bl_label = "Apply as Plate"
    bl_options = {"REGISTER", "UNDO"}
    kind = "plate"

    render: BoolProperty(
        name="In Render",
        description="Also put the plate behind the render: compositor nodes and a transparent film",
        default=False,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context) -> bool:
        if context.scene.camera is None:
            cls.poll_message_set(in_words(TROUBLES[Trouble.NO_CAMERA]))
            return False
        return super().poll(context)

    def execute(self, context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        if not self.properties.is_property_set("render"):
            self.render = context.scene.syncscape.render_plate
        return _attempt(
            self, lambda: plate.apply_plate(context.scene, found.image, found.id, render=self.render)
        )


def install_world(scene: bpy.types.Scene, result: Result) -> bpy.types.World:
    """Install a result as the scene's World, named after its prompt."""
    live.restore()
    return world.apply_world(scene, result.image, world_name(result), result.id, light=result.light)


def world_name(result: Result) -> str:
    """Return a name for a result's World: the beginning of its prompt."""
    return " ".join(result.spec.prompt.split())[:NAME_LENGTH] or "Syncscape"


def _attempt(operator: bpy.types.Operator, work: Callable[[], object]) -> set[str]:
    try:
        work()
    except SceneProblem as error:
        show(operator, explain_scene(error))
    except RuntimeError as error:  # a file that Blender cannot load
        tell(operator, str(error).strip(), "Generate the picture again.")
    else:
        link.error = None
        return {"FINISHED"}
    return {"CANCELLED"}


_classes = (SYNCSCAPE_OT_apply_world, SYNCSCAPE_OT_apply_plate)
register, unregister = bpy.utils.register_classes_factory(_classes)
