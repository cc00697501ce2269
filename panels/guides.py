# SPDX-License-Identifier: GPL-3.0-or-later
"""The sub-panel of the guides: a list, and the settings of the chosen one under it."""

from __future__ import annotations

import bpy

from ..settings import guides


class SYNCSCAPE_UL_guides(bpy.types.UIList):
    """One line a guide: its switch, its kind, its words"""

    def draw_item(self, _context, layout, _data, item, _icon, _active, _property, _index=0) -> None:
        row = layout.row(align=True)
        row.prop(item, "use", text="")
        row.active = item.use
        icon = "LIGHT_SUN" if item.kind == guides.SUN else "MESH_CIRCLE"
        if item.kind == guides.SUN:
            row.label(text=item.target.name if item.target else "No sun", icon=icon)
        else:
            row.prop(item, "prompt", text="", emboss=False, icon=icon)


class VIEW3D_PT_syncscape_guides(bpy.types.Panel):
    """Say what is where: regions with prompts of their own, and the sun"""

    bl_label = "Guides"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Syncscape"
    bl_parent_id = "VIEW3D_PT_syncscape"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context) -> None:
        layout, settings = self.layout, context.scene.syncscape
        row = layout.row()
        row.template_list("SYNCSCAPE_UL_guides", "", settings, "guides", settings, "active_guide", rows=3)
        column = row.column(align=True)
        column.operator_menu_enum("syncscape.add_guide", "kind", text="", icon="ADD")
        column.operator("syncscape.remove_guide", text="", icon="REMOVE")
        column.operator("syncscape.move_guide", text="", icon="TRIA_UP").way = "UP"
        column.operator("syncscape.move_guide", text="", icon="TRIA_DOWN").way = "DOWN"
        if 0 <= settings.active_guide < len(settings.guides):
            _draw_guide(layout, settings.guides[settings.active_guide])


def _draw_guide(layout: bpy.types.UILayout, guide: guides.SyncscapeGuide) -> None:
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.active = guide.use
    if guide.kind == guides.REGION:
        column.prop(guide, "prompt")
        column.prop(guide, "negative")
    column.prop(guide, "target")
    column.prop(guide, "strength")


_classes = (SYNCSCAPE_UL_guides, VIEW3D_PT_syncscape_guides)
register, unregister = bpy.utils.register_classes_factory(_classes)
