# SPDX-License-Identifier: GPL-3.0-or-later
"""LoRAs: operators that add one to the settings and take one away."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import bpy
from bpy.props import IntProperty, StringProperty

from ..sync_engine.interface.loras import MAX_LORAS


class SYNCSCAPE_OT_add_lora(bpy.types.Operator):
    """Choose a LoRA, a small safetensors file that changes what the model paints"""

    bl_idname = "syncscape.add_lora"
    bl_label = "Add LoRA"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(
        name="File", description="A LoRA for the model", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    filter_glob: StringProperty(
        name="Shown", description="Which files are shown", default="*.safetensors", options={"HIDDEN"}
    )

    @classmethod
    def poll(cls, context) -> bool:
        if len(context.scene.syncscape.loras) >= MAX_LORAS:
            cls.poll_message_set("There are as many LoRAs as one picture can have")
            return False
        return True

    def invoke(self, context, _event) -> set[str]:
        """Ask for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context) -> set[str]:
        context.scene.syncscape.loras.add().file = self.filepath
        return {"FINISHED"}


class SYNCSCAPE_OT_remove_lora(bpy.types.Operator):
    """Take this LoRA away; its file stays"""

    bl_idname = "syncscape.remove_lora"
    bl_label = "Remove LoRA"
    bl_options = {"REGISTER", "UNDO"}

    index: IntProperty(name="Line", description="Which LoRA, counted from 0", min=0, options={"SKIP_SAVE"})

    def execute(self, context) -> set[str]:
        context.scene.syncscape.loras.remove(self.index)
        return {"FINISHED"}


_classes = (SYNCSCAPE_OT_add_lora, SYNCSCAPE_OT_remove_lora)
register, unregister = bpy.utils.register_classes_factory(_classes)
