# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on the image editor's picture: continue it all round, or repair a part that is painted over."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..engine import preferences
from ..scene import paint_over
from ..scene.problems import SceneProblem
from ..scene.world import RESULT_KEY
from ..settings import guides
from ..sync_engine.host.history import ResultError, read_result
from .chosen import show, tell
from .guides import SYNCSCAPE_OT_add_guide, add_handle, new_guide
from .mixins import Mixin
from .problems import explain_scene


def guide_folder() -> Path:
    """Return where files of guides are kept that the user has not named: beside the library."""
    return preferences.library_folder() / ".guides"


class _OnImage(Mixin):
    """An operator on the image editor's picture."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context) -> bool:
        if getattr(context.space_data, "image", None) is None:
            cls.poll_message_set("Open a picture in the image editor")
            return False
        return SYNCSCAPE_OT_add_guide.poll(context)

    def execute(self, context) -> set[str]:
        try:
            return self.work(context, context.space_data.image)
        except SceneProblem as problem:
            show(self, explain_scene(problem))
        except (RuntimeError, OSError) as error:  # Blender cannot write the file
            tell(self, str(error).strip(), "Free some space, or name another library in the preferences.")
        return {"CANCELLED"}


class SYNCSCAPE_OT_extend_image(_OnImage, bpy.types.Operator):
    """Add a guide that keeps this photo where its Empty stands, and paints what is around it"""

    bl_idname = "syncscape.extend_image"
    bl_label = "Extend This Image"

    def work(self, context, image: bpy.types.Image) -> set[str]:
        """Add the guide."""
        file = paint_over.file_of(image, guide_folder())
        line = new_guide(context.scene, guides.PICTURE)
        line.task, line.file = guides.EXTEND, str(file)
        add_handle(context.scene, line)
        return {"FINISHED"}


class SYNCSCAPE_OT_paint_repair(_OnImage, bpy.types.Operator):
    """Paint over what should be made anew, in any colour: in a copy, the picture stays as it is"""

    bl_idname = "syncscape.paint_repair"
    bl_label = "Paint Over a Part"

    def work(self, context, image: bpy.types.Image) -> set[str]:
        """Show the copy, ready to be painted over."""
        file = paint_over.file_of(image, guide_folder())
        copy = paint_over.copy_to_paint(image, file)
        if RESULT_KEY in image:
            copy[RESULT_KEY] = image[RESULT_KEY]
        context.space_data.image = copy
        context.space_data.ui_mode = "PAINT"
        return {"FINISHED"}


class SYNCSCAPE_OT_repair_image(_OnImage, bpy.types.Operator):
    """Add a guide that makes what is painted over anew and keeps the rest; then Generate"""

    bl_idname = "syncscape.repair_image"
    bl_label = "Repair This Part"

    @classmethod
    def poll(cls, context) -> bool:
        if not super().poll(context):
            return False
        if paint_over.REPAIRS_KEY not in context.space_data.image:
            cls.poll_message_set("Press Paint Over a Part first, and paint")
            return False
        return True

    def work(self, context, image: bpy.types.Image) -> set[str]:
        """Add the guide, and take the shape of the picture where it is a result."""
        mask = paint_over.painted_mask(image, guide_folder())
        line = new_guide(context.scene, guides.PICTURE)
        line.task, line.file, line.mask = guides.REPAIR, image[paint_over.REPAIRS_KEY], str(mask)
        try:
            found = read_result(preferences.library_folder() / str(image.get(RESULT_KEY, "")))
            context.scene.syncscape.take_shape(found.spec)
        except ResultError:  # somebody else's picture: its shape is checked when it is read
            pass
        return {"FINISHED"}


_classes = (SYNCSCAPE_OT_extend_image, SYNCSCAPE_OT_paint_repair, SYNCSCAPE_OT_repair_image)
register, unregister = bpy.utils.register_classes_factory(_classes)
