"""The engine's state in words, with its buttons, in the preferences."""

from __future__ import annotations

import bpy

from ..engine_link import link
from ..sync_engine.interface.client import EngineState
from .parts import draw_problem, draw_text


def draw_engine(layout: bpy.types.UILayout, context) -> None:
    """Draw the check button and the last answer."""
    box = layout.box()
    row = box.row()
    row.operator_context = "INVOKE_DEFAULT"
    row.operator("syncscape.check_engine", icon="CHECKMARK")
    row.operator("syncscape.release_engine", icon="TRASH")
    for text, icon in engine_lines():
        draw_text(box, context, text, icon)
    failure = link.failure() or (link.error if link.state is EngineState.STOPPED else None)
    if failure is not None:
        draw_problem(box, context, failure)
    if not bpy.app.online_access:
        draw_text(
            box, context, "Online access is off: only models that are already here can be used.", "INFO"
        )


def engine_lines() -> list[tuple[str, str]]:
    """Return what the engine told about itself, as lines with an icon each."""
    if link.state is EngineState.STARTING:
        return [("Starting the engine…", "SORTTIME")]
    report = link.report()
    if link.state not in (EngineState.READY, EngineState.BUSY) or not report:
        return [("The engine does not run. It starts by itself when it is needed.", "INFO")]
    torch = (report.get("packages") or {}).get("torch", "?")
    lines = [(f"The engine is ready: Python {report.get('python', '?')}, torch {torch}", "CHECKMARK")]
    if report.get("device"):
        memory = report.get("free_memory_gb")
        free = f", {memory:g} GiB free" if isinstance(memory, (int, float)) else ""
        lines.append((f"{report.get('device_name', report['device'])} ({report['device']}{free})", "MEMORY"))
    here = [name for name, state in (report.get("models") or {}).items() if state == "here"]
    if here:
        lines.append((f"Models here: {', '.join(here)}", "IMAGE_DATA"))
    lines += [(problem, "ERROR") for problem in report.get("problems") or []]
    return lines
