# SPDX-License-Identifier: GPL-3.0-or-later
"""Set-up: operators that build, repair, update and remove the engine's environment."""

from __future__ import annotations

import bpy

from ..engine import preferences
from ..engine.environment import engine_setup
from ..engine.link import link
from ..sync_engine.installer.states import SetupState
from ..translations import tr
from .mixins import WhenIdle

LOOK_S = 0.2
"""How often the blocking form looks."""


class _Work(WhenIdle):
    """What the operators share: they wait for pictures, and for each other."""

    @classmethod
    def poll(cls, context) -> bool:
        if not super().poll(context):
            return False
        if link.job is not None:
            cls.poll_message_set("A picture is being made. Wait for it, or cancel it")
            return False
        return True


class _Build(_Work):
    """Building: the same work, whatever the button is called."""

    def invoke(self, _context, _event) -> set[str]:
        """Begin and return at once; the panel shows how it goes."""
        link.stop()
        engine_setup.start(preferences.setup_options())
        return {"FINISHED"}

    def execute(self, context) -> set[str]:
        """Build to the end; Ctrl-C in the terminal cancels."""
        self.invoke(context, None)
        _wait(context.window_manager)
        engine_setup.tick()
        setup = engine_setup.setup
        if setup.problem is not None:
            self.report({"ERROR"}, f"{tr(setup.problem.message)} {tr(setup.problem.remedy)}")
        return {"FINISHED"} if setup.state is SetupState.READY else {"CANCELLED"}


class SYNCSCAPE_OT_set_up_engine(_Build, bpy.types.Operator):
    """Download the engine's packages and install them in a folder of their own; Blender stays untouched"""

    bl_idname = "syncscape.set_up_engine"
    bl_label = "Set Up Engine"


class SYNCSCAPE_OT_repair_engine(_Build, bpy.types.Operator):
    """Build the engine's environment anew; the old one is used until the new one works"""

    bl_idname = "syncscape.repair_engine"
    bl_label = "Repair"


class SYNCSCAPE_OT_cancel_set_up(bpy.types.Operator):
    """Stop setting up; what was downloaded is kept, so that it can be resumed"""

    bl_idname = "syncscape.cancel_set_up"
    bl_label = "Cancel Set-Up"

    @classmethod
    def poll(cls, _context) -> bool:
        if engine_setup.state is not SetupState.BUILDING:
            cls.poll_message_set("The engine is not being set up")
            return False
        return True

    def execute(self, _context) -> set[str]:
        engine_setup.setup.cancel()
        return {"FINISHED"}


class SYNCSCAPE_OT_remove_engine(_Work, bpy.types.Operator):
    """Delete the engine's environment and everything that setting it up has left; your pictures stay"""

    bl_idname = "syncscape.remove_engine"
    bl_label = "Remove"

    def invoke(self, context, event) -> set[str]:
        """Ask first."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context) -> set[str]:
        link.stop()
        engine_setup.remove()
        if bpy.app.background:
            _wait(context.window_manager)
        return {"FINISHED"}


def _wait(manager: bpy.types.WindowManager) -> None:
    setup = engine_setup.setup
    manager.progress_begin(0, 100)
    try:
        while not setup.wait(LOOK_S):
            manager.progress_update(int(setup.progress * 100))
    except KeyboardInterrupt:
        setup.cancel()
        raise
    finally:
        manager.progress_end()


_classes = (
    SYNCSCAPE_OT_set_up_engine,
    SYNCSCAPE_OT_repair_engine,
    SYNCSCAPE_OT_cancel_set_up,
    SYNCSCAPE_OT_remove_engine,
)
register, unregister = bpy.utils.register_classes_factory(_classes)
