# SPDX-License-Identifier: GPL-3.0-or-later
"""Load settings: an operator that sets the panel to what made a picture, wherever its file lies."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import StringProperty

from ..engine.link import explain
from ..sync_engine.interface.embedded import read_spec
from ..sync_engine.interface.spec import SpecError
from ..translations import in_words


class SYNCSCAPE_OT_load_settings(bpy.types.Operator):
    """Set the panel to what made a picture: its EXR or PNG, or the spec.json beside it"""

    bl_idname = "syncscape.load_settings"
    bl_label = "Load Settings from File"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(
        name="File", description="A picture made by Syncscape", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    filter_glob: StringProperty(
        name="Shown", description="Which files are shown", default="*.exr;*.png;*.json", options={"HIDDEN"}
    )

    def invoke(self, context, _event) -> set[str]:
        """Ask for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context) -> set[str]:
        try:
            spec = read_spec(Path(bpy.path.abspath(self.filepath)))
        except SpecError as error:
            self.report({"ERROR"}, in_words(explain(error)))
            return {"CANCELLED"}
        context.scene.syncscape.take_spec(spec)
        return {"FINISHED"}


_classes = (SYNCSCAPE_OT_load_settings,)
register, unregister = bpy.utils.register_classes_factory(_classes)
