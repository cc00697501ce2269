# SPDX-License-Identifier: GPL-3.0-or-later
"""Guides: operators that add a guide with its handle, take one away, change their order, or use a result."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import bpy
from bpy.props import EnumProperty

from ..settings import guide_places, guides
from ..sync_engine.interface.guides import MAX_GUIDES
from .chosen import ResultOperator
from .mixins import Mixin

NEW_SUN_ELEVATION = 30.0
WAY_ITEMS = (("UP", "Up", "Towards the first"), ("DOWN", "Down", "Towards the last"))


def new_guide(scene: bpy.types.Scene, kind: str) -> guides.SyncscapeGuide:
    """Add a guide to a scene's and choose it in the list."""
    settings = scene.syncscape
    line = settings.guides.add()
    line.kind = kind
    settings.active_guide = len(settings.guides) - 1
    return line


def add_handle(scene: bpy.types.Scene, line: guides.SyncscapeGuide, elevation: float = 0.0) -> None:
    """Give a guide an Empty that stands before the camera, at an elevation in degrees."""
    line.target = guide_places.new_handle(scene, line.kind, guide_places.ahead_of(scene), elevation)


def _has_room(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    if len(context.scene.syncscape.guides) >= MAX_GUIDES:
        operator.poll_message_set("There are as many guides as one picture can have")
        return False
    return True


class SYNCSCAPE_OT_add_guide(bpy.types.Operator):
    """Add a guide, with an Empty that says where in the World it is: move and scale it"""

    bl_idname = "syncscape.add_guide"
    bl_label = "Add Guide"
    bl_options = {"REGISTER", "UNDO"}

    kind: EnumProperty(name="Guide", description="What the guide says", items=guides.GUIDE_ITEMS)

    @classmethod
    def poll(cls, context) -> bool:
        return _has_room(cls, context)

    def execute(self, context) -> set[str]:
        line = new_guide(context.scene, self.kind)
        if self.kind == guides.DEPTH:  # it is everywhere
            return {"FINISHED"}
        elevation = NEW_SUN_ELEVATION if self.kind == guides.SUN else 0.0
        add_handle(context.scene, line, elevation)
        return {"FINISHED"}


class _OnGuide(Mixin):
    """An operator on the guide that is chosen in the list."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context) -> bool:
        settings = context.scene.syncscape
        if not 0 <= settings.active_guide < len(settings.guides):
            cls.poll_message_set("There is no guide: add one")
            return False
        return True


class SYNCSCAPE_OT_remove_guide(_OnGuide, bpy.types.Operator):
    """Take this guide away; its object stays"""

    bl_idname = "syncscape.remove_guide"
    bl_label = "Remove Guide"

    def execute(self, context) -> set[str]:
        settings = context.scene.syncscape
        settings.guides.remove(settings.active_guide)
        settings.active_guide = max(0, min(settings.active_guide, len(settings.guides) - 1))
        return {"FINISHED"}


class SYNCSCAPE_OT_move_guide(_OnGuide, bpy.types.Operator):
    """Move this guide in the list"""

    bl_idname = "syncscape.move_guide"
    bl_label = "Move Guide"

    way: EnumProperty(
        name="Way",
        description="Which way it moves",
        items=WAY_ITEMS,
    )

    def execute(self, context) -> set[str]:
        settings = context.scene.syncscape
        there = settings.active_guide + (1 if self.way == "DOWN" else -1)
        if not 0 <= there < len(settings.guides):
            return {"CANCELLED"}
        settings.guides.move(settings.active_guide, there)
        settings.active_guide = there
        return {"FINISHED"}


class SYNCSCAPE_OT_use_as_guide(ResultOperator, bpy.types.Operator):
    """Add a guide that paints this picture anew, at its size; the list says how far, or which part"""

    bl_idname = "syncscape.use_as_guide"
    bl_label = "Use as Guide"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context) -> bool:
        return super().poll(context) and _has_room(cls, context)

    def execute(self, context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        line = new_guide(context.scene, guides.PICTURE)
        line.task, line.file = guides.REPAINT, str(found.image)
        context.scene.syncscape.take_shape(found.spec)
        return {"FINISHED"}


_classes = (
    SYNCSCAPE_OT_add_guide,
    SYNCSCAPE_OT_remove_guide,
    SYNCSCAPE_OT_move_guide,
    SYNCSCAPE_OT_use_as_guide,
)
register, unregister = bpy.utils.register_classes_factory(_classes)
