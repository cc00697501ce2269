# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine in words, with its buttons: its set-up in the panels, all of it in the preferences."""

from __future__ import annotations

import bpy

from ..engine import preferences
from ..engine.environment import engine_setup
from ..engine.link import link
from ..sync_engine.host.client import EngineState
from ..sync_engine.installer.locks import Lock
from ..sync_engine.installer.platforms import NAMES, detect
from ..sync_engine.installer.problems import SetupFailed
from ..sync_engine.installer.states import STAGES, SetupState
from ..sync_engine.interface.wording import Message
from ..translations import tr
from .parts import draw_preferences_button, draw_problem, draw_silence, draw_text


def draw_first_run(layout: bpy.types.UILayout, context) -> bool:
    """Draw, while there is no engine, the button that brings one; tell whether that is so."""
    if preferences.engine_settings().python:
        return False
    box = layout.box()
    draw_text(box, context, "Syncscape needs its engine. It is set up once, in a folder of its own.")
    draw_setup(box, context)
    draw_preferences_button(box)
    return True


def draw_setup(layout: bpy.types.UILayout, context) -> None:
    """Draw where the engine's own environment is, and what can be done about it."""
    state = engine_setup.state
    if state.at_work:
        _draw_work(layout, context)
    elif state in (SetupState.READY, SetupState.OUTDATED):
        _draw_ready(layout, context, state)
    else:
        _draw_missing(layout, context, state)


def _draw_work(layout: bpy.types.UILayout, context) -> None:
    setup = engine_setup.setup
    row = layout.row(align=True)
    if setup.state is SetupState.REMOVING:
        row.label(text="Removing the engine…", icon="SORTTIME")
        return
    row.scale_y = 1.4
    row.progress(factor=setup.progress, text=f"{tr(STAGES[setup.stage])}, {setup.progress:.0%}")
    row.operator("syncscape.cancel_set_up", text="", icon="X")
    if setup.detail:
        draw_text(layout, context, setup.detail, translate=False)


def _draw_ready(layout: bpy.types.UILayout, context, state: SetupState) -> None:
    current = engine_setup.setup.current
    for text, icon in setup_lines(current.report if current is not None else {}):
        draw_text(layout, context, text, icon, translate=False)
    row = layout.row()
    row.operator_context = "INVOKE_DEFAULT"
    if state is SetupState.OUTDATED:
        draw_text(layout, context, "This version of Syncscape wants other packages.", "INFO")
        row.operator("syncscape.set_up_engine", text="Update", icon="FILE_REFRESH")
    row.operator("syncscape.repair_engine", icon="TOOL_SETTINGS")
    row.operator("syncscape.remove_engine", icon="TRASH")


def _draw_missing(layout: bpy.types.UILayout, context, state: SetupState) -> None:
    plan = engine_setup.plan(preferences.setup_options())
    problem = engine_setup.setup.problem
    if state is SetupState.PARTIAL:
        draw_text(layout, context, "Setting up was interrupted. What was downloaded is kept.", "INFO")
    elif state is SetupState.BROKEN:
        draw_text(
            layout, context, "The engine's Python is gone: Blender was updated, moved or removed.", "INFO"
        )
    if isinstance(plan, SetupFailed):
        _draw_failure(layout, context, plan)
        return
    if state is SetupState.FAILED and problem is not None:
        _draw_failure(layout, context, problem)
        draw_text(layout, context, f"{tr('Log')}: {engine_setup.setup.store.log}", translate=False)
    row = layout.row()
    row.scale_y = 1.4
    row.operator_context = "INVOKE_DEFAULT"
    again = state in (SetupState.PARTIAL, SetupState.FAILED)
    row.operator("syncscape.set_up_engine", text="Resume" if again else "Set Up Engine", icon="IMPORT")
    _draw_plan(layout, context, plan)
    if state is not SetupState.ABSENT:
        row = layout.row()
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("syncscape.remove_engine", icon="TRASH")


def _draw_plan(layout: bpy.types.UILayout, context, plan: Lock) -> None:
    """Draw what the button will download, from where, and how much space it takes."""
    options = preferences.setup_options()
    kind = Message(NAMES[plan.accelerator])
    values = {"torch": plan.torch, "kind": kind, "disk": plan.disk_mb / 1000}
    if options.network.wheels:
        template = "Installs PyTorch {torch} ({kind}) and more from {source}; takes {disk:.1f} GB."
        values["source"] = options.network.wheels
    else:
        template = (
            "Downloads {megabytes} MB from {source}: PyTorch {torch} ({kind}) and more; takes {disk:.1f} GB."
        )
        values |= {"source": options.network.index or plan.server, "megabytes": plan.download_mb}
    draw_text(layout, context, Message(template, **values))
    if options.accelerator == "auto":
        draw_text(layout, context, fallback(plan, detect()), "INFO", translate=False)
    if not options.network.wheels and not options.network.online:
        draw_text(layout, context, "Online access is off.", "ERROR")
        if not bpy.app.online_access_override:
            layout.prop(context.preferences.system, "use_online_access")


def fallback(plan: Lock, detected: str) -> str:
    """Return, where Automatic cannot have what the computer has, what comes instead; else an empty text."""
    if detected == plan.accelerator:
        return ""
    if detected != "cpu":
        return tr(
            "There are no packages here for this computer's {gpu}: pictures will be made on the processor. "
            "To use the GPU, name an environment of your own.",
            gpu=Message(NAMES[detected]),
        )
    return tr("The smaller build for the processor does not fit this Python; this one runs there too.")


def _draw_failure(layout: bpy.types.UILayout, context, problem: SetupFailed) -> None:
    draw_text(layout, context, problem.message, "ERROR")
    draw_text(layout, context, problem.remedy, "INFO")


def setup_lines(report: dict) -> list[tuple[str, str]]:
    """Return what ``doctor`` has found to work, as lines with an icon each."""
    torch = (report.get("packages") or {}).get("torch", "?")
    python = report.get("python", "?")
    text = tr("The engine is set up: Python {python}, PyTorch {torch}", python=python, torch=torch)
    lines = [(text, "CHECKMARK")]
    if report.get("device_name"):
        lines.append((tr("It computes on {device}", device=report["device_name"]), "MEMORY"))
    here = [name for name, state in (report.get("models") or {}).items() if state == "here"]
    if here:
        lines.append((tr("Models here: {models}", models=", ".join(here)), "IMAGE_DATA"))
    return lines


def draw_engine(layout: bpy.types.UILayout, context) -> None:
    """Draw the check button and the last answer."""
    box = layout.box()
    row = box.row()
    row.operator_context = "INVOKE_DEFAULT"
    row.operator("syncscape.check_engine", icon="CHECKMARK")
    row.operator("syncscape.release_engine", icon="TRASH")
    for text, icon in engine_lines():
        draw_text(box, context, text, icon)
    draw_silence(box, context)
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
    python = report.get("python", "?")
    text = Message("The engine is ready: Python {python}, torch {torch}", python=python, torch=torch)
    lines: list[tuple[str, str]] = [(text, "CHECKMARK")]
    if report.get("device"):
        memory = report.get("free_memory_gb")
        free = f", {memory:g} GiB free" if isinstance(memory, (int, float)) else ""
        lines.append((f"{report.get('device_name', report['device'])} ({report['device']}{free})", "MEMORY"))
    here = [name for name, state in (report.get("models") or {}).items() if state == "here"]
    if here:
        lines.append((Message("Models here: {models}", models=", ".join(here)), "IMAGE_DATA"))
    lines += [(problem, "ERROR") for problem in report.get("problems") or []]
    return lines
