# SPDX-License-Identifier: GPL-3.0-or-later
"""Help with trouble: operators that copy what a bug report needs, and open the engine's log."""

from __future__ import annotations

import platform
import tomllib
from pathlib import Path

import bpy

from ..engine import preferences
from ..engine.link import link
from ..sync_engine.host.details import bug_report
from ..translations import tr

MANIFEST = Path(__file__).parents[1] / "blender_manifest.toml"


class SYNCSCAPE_OT_copy_details(bpy.types.Operator):
    """Copy versions, device, settings, the last error and the end of the log, without personal paths"""

    bl_idname = "syncscape.copy_details"
    bl_label = "Copy Details"

    def execute(self, context) -> set[str]:
        context.window_manager.clipboard = details(context)
        self.report({"INFO"}, tr("Copied. Paste it into the bug report"))
        return {"FINISHED"}


class SYNCSCAPE_OT_open_log(bpy.types.Operator):
    """Open the engine's log file"""

    bl_idname = "syncscape.open_log"
    bl_label = "Open Log"

    @classmethod
    def poll(cls, _context) -> bool:
        if not link.log_file().is_file():
            cls.poll_message_set("There is no log yet: the engine has not run")
            return False
        return True

    def execute(self, _context) -> set[str]:
        try:
            return bpy.ops.wm.path_open(filepath=str(link.log_file()))
        except RuntimeError:
            self.report({"ERROR"}, tr("No program opens it. The log is {log}", log=link.log_file()))
            return {"CANCELLED"}


def details(context) -> str:
    """Return the text for a bug report."""
    version = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["version"]
    build = bpy.app.build_hash.decode("ascii", "replace")
    return bug_report(
        versions={
            "Syncscape": version,
            "Blender": f"{bpy.app.version_string} {build}",
            "Blender's Python": platform.python_version(),
        },
        engine=link.report(),
        settings=context.scene.syncscape.to_spec(preferences.device()).to_dict(),
        problem=str(link.error or link.failure() or ""),
        log=link.log_tail(),
        folders={
            "library": preferences.library_folder(),
            "blender": bpy.utils.resource_path("USER"),
            "file": bpy.data.filepath or "",
            "extension": MANIFEST.parent,
        },
    )


_classes = (SYNCSCAPE_OT_copy_details, SYNCSCAPE_OT_open_log)
register, unregister = bpy.utils.register_classes_factory(_classes)
