"""Apply: operators that install a result in the scene, each as one undo step."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, StringProperty

from .. import preferences
from ..engine_link import link
from ..scene import plate, world
from ..sync_engine.interface.history import Result, ResultError, read_result
from ..sync_engine.interface.jobs import Failure
from ..sync_engine.interface.messages import FailureCode

NAME_LENGTH = 40


class _Apply:
    """What both operators share: which result, and whether there is one."""

    kind = ""
    result: StringProperty(
        name="Result",
        description="Name of the result's folder in the library. Empty: the newest one",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def has_result(cls) -> bool:
        """Tell whether there is anything to apply, and say so if not."""
        if link.latest(cls.kind) is None:
            cls.poll_message_set(f"There is no {cls.kind} yet: generate one")
            return False
        return True

    def chosen(self) -> Result | None:
        """Return the result to apply; None, with the reason reported, if it cannot be used."""
        newest = None if self.result else link.latest(self.kind)
        folder = newest.folder if newest else preferences.library_folder() / self.result
        try:
            found = read_result(folder)  # again, even the newest: it may be gone from the disk
        except ResultError as error:
            _tell(self, str(error), "Choose another result, or generate it again.")
            return None
        if found.kind != self.kind:
            _tell(
                self, f"result = {found.id!r} is a {found.kind}, not a {self.kind}.", "Choose another result."
            )
            return None
        return found


class SYNCSCAPE_OT_apply_world(_Apply, bpy.types.Operator):
    """Light the scene with the result: a new World, the old one stays in the file"""

    bl_idname = "syncscape.apply_world"
    bl_label = "Apply as World"
    bl_options = {"REGISTER", "UNDO"}
    kind = "world"

    @classmethod
    def poll(cls, _context) -> bool:
        return cls.has_result()

    def execute(self, context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        return _attempt(self, lambda: install_world(context.scene, found))


class SYNCSCAPE_OT_apply_plate(_Apply, bpy.types.Operator):
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
            cls.poll_message_set(str(plate.NoCamera()))
            return False
        return cls.has_result()

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
    name = " ".join(result.spec.prompt.split())[:NAME_LENGTH] or "Syncscape"
    return world.apply_world(scene, result.image, name, result.id)


def _attempt(operator: bpy.types.Operator, work: Callable[[], object]) -> set[str]:
    try:
        work()
    except plate.NoCamera as error:
        _tell(operator, str(error))
    except RuntimeError as error:  # a file that Blender cannot load
        _tell(operator, str(error).strip(), "Generate the picture again.")
    else:
        link.error = None
        return {"FINISHED"}
    return {"CANCELLED"}


def _tell(operator: bpy.types.Operator, message: str, hint: str = "") -> None:
    """Report what went wrong, and leave it in the panel until the next attempt."""
    link.error = Failure(FailureCode.OUTPUT.value, message, hint)
    operator.report({"ERROR"}, str(link.error))


_classes = (SYNCSCAPE_OT_apply_world, SYNCSCAPE_OT_apply_plate)
register, unregister = bpy.utils.register_classes_factory(_classes)
