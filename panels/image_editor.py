# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab of the image editor: its picture as a guide."""

from __future__ import annotations

import bpy

from ..scene.paint_over import REPAIRS_KEY


class IMAGE_PT_syncscape(bpy.types.Panel):
    """Continue this picture, or make a part of it anew"""

    bl_label = "Syncscape"
    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Syncscape"

    def draw(self, context) -> None:
        column = self.layout.column(align=True)
        column.operator("syncscape.extend_image", icon="FULLSCREEN_ENTER")
        image = context.space_data.image
        if image is not None and REPAIRS_KEY in image:
            column.operator("syncscape.repair_image", icon="CHECKMARK")
        else:
            column.operator("syncscape.paint_repair", icon="BRUSH_DATA")


_classes = (IMAGE_PT_syncscape,)
register, unregister = bpy.utils.register_classes_factory(_classes)
