# SPDX-License-Identifier: GPL-3.0-or-later
"""The sub-panel of the guides: a list, and the settings of the chosen one under it."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..settings import guides
from . import previews

THUMBNAIL_SCALE = 6.0
ICONS = {item[0]: item[3] for item in guides.GUIDE_ITEMS}


class SYNCSCAPE_UL_guides(bpy.types.UIList):
    """One line a guide: its switch, its kind, its words"""

    def draw_item(self, _context, layout, _data, item, _icon, _active, _property, _index=0) -> None:
        row = layout.row(align=True)
        row.prop(item, "use", text="")
        row.active = item.use
        icon = ICONS[item.kind]
        if item.kind == guides.SUN:
            row.label(text=item.target.name if item.target else "No sun", icon=icon)
        elif item.kind == guides.DEPTH:
            row.label(text="Scene Depth", icon=icon)
        elif item.kind == guides.PICTURE:
            name = Path(item.file).name
            row.label(text=name if name else "No picture", icon=icon, translate=not name)
        else:
            row.prop(item, "prompt", text="", emboss=False, icon=icon)


class VIEW3D_PT_syncscape_guides(bpy.types.Panel):
    """Say what is where: regions with prompts of their own, pictures, and the sun"""

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
        if not 0 <= settings.active_guide < len(settings.guides):
            return
        column = _column(layout)
        guide = settings.guides[settings.active_guide]
        column.active = guide.use
        _DRAWN[guide.kind](column, guide, settings)
        column = _column(layout)
        column.prop(settings, "viewpoint")
        if settings.viewpoint == "OBJECT":
            column.prop(settings, "viewpoint_object")


def _column(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column


def _draw_region(column: bpy.types.UILayout, guide: guides.SyncscapeGuide, _settings) -> None:
    column.prop(guide, "prompt")
    column.prop(guide, "negative")
    column.prop(guide, "mask")
    if not guide.mask:
        column.prop(guide, "target")
        column.prop(guide, "softness")
    column.prop(guide, "strength")


def _draw_sun(column: bpy.types.UILayout, guide: guides.SyncscapeGuide, _settings) -> None:
    column.prop(guide, "target")
    column.prop(guide, "strength")


def _draw_picture(column: bpy.types.UILayout, guide: guides.SyncscapeGuide, settings) -> None:
    column.prop(guide, "file")
    column.prop(guide, "task")
    if guide.task == guides.REPAINT:
        column.prop(guide, "repaint")
        return
    if guide.task == guides.REPAIR:
        column.prop(guide, "mask")
    else:
        column.prop(guide, "fov" if settings.kind == "world" else "width")
    if guide.task == guides.EXTEND or not guide.mask:
        column.prop(guide, "target")
    column.prop(guide, "blend")


def _draw_depth(column: bpy.types.UILayout, guide: guides.SyncscapeGuide, _settings) -> None:
    column.prop(guide, "only_rendered")
    column.prop(guide, "collection")
    column.prop(guide, "furthest")
    column.operator("syncscape.capture_depth", icon="RENDER_STILL")
    column.prop(guide, "file", text="Map")
    if guide.file:
        picture = previews.icon(Path(bpy.path.abspath(guide.file)).with_suffix(".png"))
        if picture:
            column.template_icon(picture, scale=THUMBNAIL_SCALE)
    column.prop(guide, "control_net")
    column.prop(guide, "scale")
    row = column.row(align=True)
    row.prop(guide, "start")
    row.prop(guide, "end", text="End")


_DRAWN = {
    guides.REGION: _draw_region,
    guides.SUN: _draw_sun,
    guides.PICTURE: _draw_picture,
    guides.DEPTH: _draw_depth,
}

_classes = (SYNCSCAPE_UL_guides, VIEW3D_PT_syncscape_guides)
register, unregister = bpy.utils.register_classes_factory(_classes)
