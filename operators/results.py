# SPDX-License-Identifier: GPL-3.0-or-later
"""Results: operators on the finished pictures in the library."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from dataclasses import replace
from functools import partial

import bpy
from bpy.props import BoolProperty

from ..engine import preferences
from ..engine.library import results
from ..engine.link import PROBLEMS, explain, link
from ..scene.world import RESULT_KEY
from ..sync_engine.host.history import Result, ResultError, delete_result, trash_result
from ..sync_engine.host.trash import TrashError, has_trash
from ..sync_engine.interface.wording import Message
from ..translations import in_words, tr
from .chosen import ResultOperator, tell
from .generate import take_over
from .mixins import NeedsEngine


class SYNCSCAPE_OT_reveal(ResultOperator, bpy.types.Operator):
    """Open the folder of the result in the file manager"""

    bl_idname = "syncscape.reveal"
    bl_label = "Show in Folder"

    def execute(self, _context) -> set[str]:
        newest = None if self.result else results.latest()
        folder = newest.folder if newest else preferences.library_folder() / self.result
        if not folder.is_dir():
            tell(self, Message("The folder {folder} is gone.", folder=folder), "Generate the picture again.")
            return {"CANCELLED"}
        return bpy.ops.wm.path_open(filepath=str(folder))


class SYNCSCAPE_OT_reuse_settings(ResultOperator, bpy.types.Operator):
    """Set the panel to the settings and the seed that made this picture"""

    bl_idname = "syncscape.reuse_settings"
    bl_label = "Reuse Settings"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        context.scene.syncscape.take_spec(found.spec)
        return {"FINISHED"}


class SYNCSCAPE_OT_new_seed(NeedsEngine, ResultOperator, bpy.types.Operator):
    """Make another picture with the settings of this one and a new seed; the panel stays as it is"""

    bl_idname = "syncscape.new_seed"
    bl_label = "New Seed"

    def execute(self, context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        scene = context.scene
        spec = replace(found.spec, seed=None, device=preferences.device())
        when_done = partial(
            take_over, scene_id=scene.session_uid, apply=scene.syncscape.apply_when_done, keep_seed=False
        )
        try:
            link.generate(spec, when_done, scene)
        except PROBLEMS as error:
            self.report({"ERROR"}, in_words(explain(error)))
            return {"CANCELLED"}
        return {"FINISHED"}


class SYNCSCAPE_OT_delete_result(ResultOperator, bpy.types.Operator):
    """Move this picture to the system's trash; with Shift, or where there is none, delete it for good"""

    bl_idname = "syncscape.delete_result"
    bl_label = "Delete"

    permanent: BoolProperty(
        name="For Good",
        description="Delete the picture from the disk instead of moving it to the trash",
        default=False,
        options={"SKIP_SAVE"},
    )

    def invoke(self, context, event) -> set[str]:
        """Ask first where the picture could not be brought back, or is used in this file."""
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        self.result = found.id
        self.permanent = self.permanent or event.shift or not has_trash(found.folder)
        questions = []
        if is_used(found):
            questions.append(tr("This file uses the picture and would show it pink when opened again."))
        if not questions and not self.permanent:
            try:
                trash_result(found)
                return self._gone()
            except TrashError:
                self.permanent = True
            except ResultError as error:
                tell(self, error.message)
                return {"CANCELLED"}
        if self.permanent:
            questions.append(tr("It cannot go to the trash: it is deleted for good."))
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=tr("Delete this picture?"),
            message=" ".join(questions),
            confirm_text=tr("Delete"),
            icon="WARNING",
        )

    def execute(self, _context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        try:
            if self.permanent:
                delete_result(found)
            else:
                trash_result(found)
        except TrashError as error:
            tell(self, error.message, "Hold Shift to delete it for good.")
            return {"CANCELLED"}
        except ResultError as error:
            tell(self, error.message)
            return {"CANCELLED"}
        return self._gone()

    def _gone(self) -> set[str]:
        results.library().forget()
        self.report({"INFO"}, tr("Deleted" if self.permanent else "Moved to the trash"))
        return {"FINISHED"}


def is_used(result: Result) -> bool:
    """Tell whether this file shows the result from its place in the library."""
    return any(
        image.get(RESULT_KEY) == result.id and not image.packed_file and image.users
        for image in bpy.data.images
    )


_classes = (
    SYNCSCAPE_OT_reveal,
    SYNCSCAPE_OT_reuse_settings,
    SYNCSCAPE_OT_new_seed,
    SYNCSCAPE_OT_delete_result,
)
register, unregister = bpy.utils.register_classes_factory(_classes)
