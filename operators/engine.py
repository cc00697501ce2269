# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: operators that check it, give its memory back, and restart one that hangs."""

from __future__ import annotations

import bpy

from ..engine.link import link
from ..sync_engine.host.client import EngineFailed, EngineState
from ..translations import in_words, tr

READY_TIMEOUT_S = 180.0
"""A first start on a slow disk reads some gigabytes of libraries."""


class SYNCSCAPE_OT_check_engine(bpy.types.Operator):
    """Start the engine and tell whether it has what it needs"""

    bl_idname = "syncscape.check_engine"
    bl_label = "Check Engine"

    @classmethod
    def poll(cls, _context) -> bool:
        if link.state is EngineState.STARTING:
            cls.poll_message_set("The engine is starting")
            return False
        return True

    def invoke(self, _context, _event) -> set[str]:
        """Start the engine and return at once; the answer appears below the button."""
        try:
            link.start()
        except EngineFailed as error:
            self.report({"ERROR"}, in_words(error.failure))
            return {"CANCELLED"}
        return {"FINISHED"}

    def execute(self, _context) -> set[str]:
        """Start the engine and wait for its answer."""
        try:
            report = link.start().wait_ready(READY_TIMEOUT_S)
        except EngineFailed as error:
            link.error = error.failure
            self.report({"ERROR"}, in_words(error.failure))
            return {"CANCELLED"}
        problems = report.get("problems") or []
        if problems:
            self.report({"WARNING"}, " ".join(problems))
        else:
            device = report.get("device_name") or report.get("device") or "an unnamed device"
            self.report({"INFO"}, tr("The engine is ready on {device}", device=device))
        return {"FINISHED"}


class SYNCSCAPE_OT_release_engine(bpy.types.Operator):
    """Give back the memory that the loaded model takes; the next picture loads it again"""

    bl_idname = "syncscape.release_engine"
    bl_label = "Release Memory"

    @classmethod
    def poll(cls, _context) -> bool:
        if link.job is not None:
            cls.poll_message_set("A picture is being made. Wait for it, or cancel it")
            return False
        if link.state is not EngineState.READY:
            cls.poll_message_set("The engine does not run, so it holds no memory")
            return False
        return True

    def execute(self, _context) -> set[str]:
        link.release()
        self.report({"INFO"}, tr("The engine gives the model's memory back"))
        return {"FINISHED"}


class SYNCSCAPE_OT_restart_engine(bpy.types.Operator):
    """End an engine that does not respond; its picture fails, those that wait are made by a new engine"""

    bl_idname = "syncscape.restart_engine"
    bl_label = "Restart Engine"

    @classmethod
    def poll(cls, _context) -> bool:
        if not link.silent_for:
            cls.poll_message_set("The engine responds")
            return False
        return True

    def execute(self, _context) -> set[str]:
        link.recover()
        return {"FINISHED"}


_classes = (SYNCSCAPE_OT_check_engine, SYNCSCAPE_OT_release_engine, SYNCSCAPE_OT_restart_engine)
register, unregister = bpy.utils.register_classes_factory(_classes)
