"""Results: operators on the finished pictures in the library."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from .. import preferences
from ..engine_link import link


class SYNCSCAPE_OT_reveal(bpy.types.Operator):
    """Open the folder of the result in the file manager"""

    bl_idname = "syncscape.reveal"
    bl_label = "Show in Folder"

    result: StringProperty(
        name="Result",
        description="Name of the result's folder in the library. Empty: the newest one",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, _context) -> bool:
        if link.latest() is None:
            cls.poll_message_set("There is no result yet: generate one")
            return False
        return True

    def execute(self, _context) -> set[str]:
        folder = preferences.library_folder() / self.result if self.result else link.latest().folder
        if not folder.is_dir():
            self.report({"ERROR"}, f"The folder {folder} is gone. Generate the picture again.")
            return {"CANCELLED"}
        return bpy.ops.wm.path_open(filepath=str(folder))


_classes = (SYNCSCAPE_OT_reveal,)
register, unregister = bpy.utils.register_classes_factory(_classes)
