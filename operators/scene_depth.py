# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures how far away the scene's objects are, for a guide; Blender stays responsive meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import bpy

from ..scene.depth import DepthOptions, SceneDepth
from ..scene.paint_over import free_name
from ..scene.problems import SceneProblem
from ..settings import guide_places, guides
from .chosen import show, tell
from .image_editor import guide_folder
from .problems import explain_scene

MOST_WIDTH = 1024
SLICE_S, EVERY_S = 0.004, 0.01
"""Of each tick so much is spent on reading the scene, and so far apart the ticks are."""


class SYNCSCAPE_OT_capture_depth(bpy.types.Operator):
    """Look at the scene from the viewpoint and keep how far away everything is; Esc stops it"""

    bl_idname = "syncscape.capture_depth"
    bl_label = "Capture"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context) -> bool:
        if _chosen(context.scene) is None:
            cls.poll_message_set("Choose a guide of Scene Depth in the list")
            return False
        return True

    def invoke(self, context, _event) -> set[str]:
        """Begin, and go on at each tick of a timer."""
        if not self._begin(context):
            return {"CANCELLED"}
        self._timer = context.window_manager.event_timer_add(EVERY_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event) -> set[str]:
        """Read a little more of the scene, then wait for the picture."""
        if event.type == "ESC":
            return self._end(context, {"CANCELLED"})
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if not self._started:
            if not self._advance():
                return self._end(context, {"CANCELLED"})
            return {"RUNNING_MODAL"}
        if self._capture.working:
            return {"RUNNING_MODAL"}
        return self._end(context, self._finish())

    def execute(self, context) -> set[str]:
        """Capture and return when it is done."""
        if not self._begin(context):
            return {"CANCELLED"}
        while not self._started:
            if not self._advance():
                return {"CANCELLED"}
        while self._capture.working:
            time.sleep(EVERY_S)
        return self._finish()

    def _begin(self, context) -> bool:
        scene, settings = context.scene, context.scene.syncscape
        guide = _chosen(scene)
        if guide is None:
            return False
        width, height = settings.size()
        shrunk = min(width, MOST_WIDTH)
        height = shrunk // 2 if height is None else max(1, round(height * shrunk / width))
        options = DepthOptions(guide.only_rendered, guide.collection, guide.furthest)
        place = guide_places.viewpoint(scene) if settings.kind == "world" else None
        self._scene_id, self._number, self._started = scene.session_uid, settings.active_guide, False
        self._path: Path = free_name(guide_folder(), "depth", ".exr")
        context.evaluated_depsgraph_get()
        try:
            self._capture = SceneDepth(scene, context.view_layer, height, options, place, shrunk)
        except SceneProblem as problem:
            show(self, explain_scene(problem))
            return False
        return True

    def _advance(self) -> bool:
        try:
            if self._capture.advance(SLICE_S):
                self._capture.start(self._path)
                self._started = True
        except SceneProblem as problem:
            show(self, explain_scene(problem))
            return False
        return True

    def _finish(self) -> set[str]:
        if self._capture.problem:
            tell(self, self._capture.problem, "Free some space, or name another library in the preferences.")
            return {"CANCELLED"}
        scene = next((item for item in bpy.data.scenes if item.session_uid == self._scene_id), None)
        lines = scene.syncscape.guides if scene is not None else []
        if self._number < len(lines) and lines[self._number].kind == guides.DEPTH:
            lines[self._number].file = str(self._path)
        return {"FINISHED"}

    def _end(self, context, answer: set[str]) -> set[str]:
        context.window_manager.event_timer_remove(self._timer)
        for area in context.window.screen.areas:
            area.tag_redraw()
        return answer


def _chosen(scene: bpy.types.Scene) -> guides.SyncscapeGuide | None:
    """Return the guide of Scene Depth that is chosen in the list, if one is."""
    settings = scene.syncscape
    if not 0 <= settings.active_guide < len(settings.guides):
        return None
    guide = settings.guides[settings.active_guide]
    return guide if guide.kind == guides.DEPTH else None


_classes = (SYNCSCAPE_OT_capture_depth,)
register, unregister = bpy.utils.register_classes_factory(_classes)
