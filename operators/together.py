# SPDX-License-Identifier: GPL-3.0-or-later
"""Together: operators that keep a file and the pictures that it uses in one place."""

# The mixin is an operator's.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy

from ..engine import preferences
from ..scene import together
from ..scene.problems import SceneProblem
from ..translations import in_words, tr
from .problems import explain_scene

ASK_AFTER_S = 0.3


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


class SYNCSCAPE_OT_relink_pictures(bpy.types.Operator):
    """Use the pictures of this file from the library folder, which has moved since it was saved"""

    bl_idname = "syncscape.relink_pictures"
    bl_label = "Link Pictures Again"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, _context) -> bool:
        if not together.moved(preferences.library_folder()):
            cls.poll_message_set("No picture of this file has moved within the library")
            return False
        return True

    def invoke(self, context, event) -> set[str]:
        """Ask once for all of them."""
        count = len(together.moved(preferences.library_folder()))
        question = tr(
            "{count} pictures of this file are not where they were, but in the library. Use them from there?",
            count=count,
        )
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=tr("Link Pictures Again"),
            message=question,
            confirm_text=tr("Link Pictures Again"),
        )

    def execute(self, _context) -> set[str]:
        try:
            done = together.relink(preferences.library_folder())
        except SceneProblem as error:
            self.report({"ERROR"}, in_words(explain_scene(error)))
            return {"CANCELLED"}
        self.report({"INFO"}, tr("Linked again: {count}", count=len(done)))
        return {"FINISHED"}


@bpy.app.handlers.persistent
def _on_load(*_) -> None:
    if not bpy.app.background and not bpy.app.timers.is_registered(_ask):
        bpy.app.timers.register(_ask, first_interval=ASK_AFTER_S)  # when the file's windows are there


def _ask() -> None:
    windows = bpy.context.window_manager.windows
    if windows and together.moved(preferences.library_folder()):
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.syncscape.relink_pictures("INVOKE_DEFAULT")


_classes = (SYNCSCAPE_OT_pack_pictures, SYNCSCAPE_OT_collect_pictures, SYNCSCAPE_OT_relink_pictures)


def register() -> None:
    """Register the operators, and look at each file that is loaded."""
    for cls in _classes:
        bpy.utils.register_class(cls)
    bpy.app.handlers.load_post.append(_on_load)


def unregister() -> None:
    """Look no more."""
    bpy.app.handlers.load_post.remove(_on_load)
    if bpy.app.timers.is_registered(_ask):
        bpy.app.timers.unregister(_ask)
    for cls in reversed(_classes):
        bpy.utils.unregister_class(cls)
