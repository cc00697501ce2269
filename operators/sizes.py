# SPDX-License-Identifier: GPL-3.0-or-later
"""Size: an operator that picks how large a World's picture is in the viewport and in renders."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import bpy
from bpy.props import EnumProperty

from ..scene import sizes
from .backdrop import attempt

SIZE_ITEMS = [
    (str(sizes.FULL), "Full", "As large as the picture is"),
    *(
        (str(width), f"{width} × {width // 2}", "A small copy, packed into the file")
        for width in sizes.WIDTHS
    ),
]


class SYNCSCAPE_OT_world_size(bpy.types.Operator):
    """Choose how large the World's picture is while working (left) and in renders (right); at any time"""

    bl_idname = "syncscape.world_size"
    bl_label = "Picture Size"
    bl_options = {"REGISTER", "UNDO"}

    viewport: EnumProperty(name="Viewport", description="How large it is while working", items=SIZE_ITEMS)
    render: EnumProperty(name="Render", description="How large it is in renders", items=SIZE_ITEMS)

    @classmethod
    def poll(cls, context) -> bool:
        if context.scene.world is None:
            cls.poll_message_set("The scene has no World")
            return False
        return True

    def invoke(self, context, _event) -> set[str]:
        """Ask for both, from what is set."""
        viewport, render = map(str, sizes.widths(context.scene.world))
        known = {item[0] for item in SIZE_ITEMS}
        self.viewport = viewport if viewport in known else SIZE_ITEMS[0][0]
        self.render = render if render in known else SIZE_ITEMS[0][0]
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context) -> set[str]:
        scene = context.scene
        return attempt(self, lambda: sizes.set_widths(scene.world, int(self.viewport), int(self.render)))


_classes = (SYNCSCAPE_OT_world_size,)
register, unregister = bpy.utils.register_classes_factory(_classes)
