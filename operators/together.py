# SPDX-License-Identifier: GPL-3.0-or-later
"""Together: operators that keep a file and the pictures that it uses in one place."""

# The mixin is an operator's.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy

from ..scene import together
from ..scene.problems import SceneProblem
from ..translations import in_words, tr
from .problems import explain_scene


class _Keeps:
    """An operator on the pictures of results that this file uses."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, _context) -> bool:
        if not together.pictures():
            cls.poll_message_set("This file uses no picture of Syncscape from the disk")
            return False
        return True

    def attempt(self, work: Callable[[], list[str]]) -> set[str]:
        """Do it; report what was done, or in words what stops it."""
        try:
            done = work()
        except SceneProblem as error:
            self.report({"ERROR"}, in_words(explain_scene(error)))
            return {"CANCELLED"}
        except (OSError, RuntimeError) as error:
            words = tr("The pictures cannot be kept with the file ({reason}).", reason=str(error).strip())
            self.report({"ERROR"}, words + " " + tr("Save the file in a folder that can be written."))
            return {"CANCELLED"}
        self.report({"INFO"}, tr("Kept with the file: {count}", count=len(done)))
        return {"FINISHED"}


class SYNCSCAPE_OT_pack_pictures(_Keeps, bpy.types.Operator):
    """Pack the pictures of Syncscape that this file uses into it, so that it needs no library"""

    bl_idname = "syncscape.pack_pictures"
    bl_label = "Pack into File"

    def execute(self, _context) -> set[str]:
        return self.attempt(together.pack)


class SYNCSCAPE_OT_collect_pictures(_Keeps, bpy.types.Operator):
    """Copy the pictures of Syncscape that this file uses into a folder beside it, and use them from there"""

    bl_idname = "syncscape.collect_pictures"
    bl_label = "Collect beside File"

    @classmethod
    def poll(cls, context) -> bool:
        if not bpy.data.is_saved:
            cls.poll_message_set("Save the file first: the pictures are copied beside it")
            return False
        return super().poll(context)

    def execute(self, _context) -> set[str]:
        return self.attempt(lambda: together.collect(Path(bpy.data.filepath)))


_classes = (SYNCSCAPE_OT_pack_pictures, SYNCSCAPE_OT_collect_pictures)
register, unregister = bpy.utils.register_classes_factory(_classes)
