"""Parts that several panels draw: wrapped text, problems, progress, the Generate button."""

from __future__ import annotations

import textwrap

import bpy

from ..engine_link import link
from ..sync_engine.interface.jobs import Failure, Job
from . import previews

STAGES = {
    "": "Starting the engine",
    "load": "Loading the model",
    "encode": "Reading the prompt",
    "denoise": "Painting",
    "decode": "Developing",
    "write": "Saving",
}
PREVIEW_SCALE = 8.0
CHARACTER_PX = 7.0
"""Mean width of a character of the interface's font at scale 1."""


def draw_text(layout: bpy.types.UILayout, context, text: str, icon: str = "NONE") -> None:
    """Draw a text over as many lines as the region's width asks for."""
    width = context.region.width if context.region else 300
    scale = context.preferences.system.ui_scale or 1.0  # 0 without a window
    characters = int(width / (CHARACTER_PX * scale)) - 6
    column = layout.column(align=True)
    column.scale_y = 0.8
    for index, line in enumerate(textwrap.wrap(text, max(20, characters))):
        shown = icon if index == 0 else "BLANK1" if icon != "NONE" else "NONE"
        column.label(text=line, icon=shown)


def draw_problem(layout: bpy.types.UILayout, context, failure: Failure) -> None:
    """Draw what went wrong and what to do."""
    box = layout.box()
    draw_text(box, context, failure.message, "ERROR")
    if failure.hint:
        draw_text(box, context, failure.hint, "INFO")
    if failure.code == "engine_missing":
        draw_preferences_button(box)


def draw_preferences_button(layout: bpy.types.UILayout) -> None:
    """Draw a button that opens this extension's preferences."""
    package = __package__.rsplit(".", 1)[0]
    layout.operator("preferences.addon_show", text="Open Preferences", icon="PREFERENCES").module = package


def draw_prompt(layout: bpy.types.UILayout, settings) -> None:
    """Draw the prompt field."""
    layout.prop(settings, "prompt", text="", placeholder="Describe a place…")


def draw_generate(layout: bpy.types.UILayout, context) -> None:
    """Draw the Generate button, or while a job runs its progress, preview and Cancel."""
    job = link.job
    if job is None:
        row = layout.row()
        row.scale_y = 1.4
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("syncscape.generate", icon="SHADERFX")
    else:
        _draw_job(layout, context, job)
    if link.error is not None:
        draw_problem(layout, context, link.error)


def _draw_job(layout: bpy.types.UILayout, context, job: Job) -> None:
    row = layout.row(align=True)
    row.scale_y = 1.4
    row.progress(factor=job.progress, text=job_text(job))
    row.operator("syncscape.cancel", text="", icon="X")
    icon = previews.icon(job.preview)
    if icon:
        layout.template_icon(icon_value=icon, scale=PREVIEW_SCALE)
    if job.note:
        draw_text(layout, context, job.note, "INFO")


def job_text(job: Job) -> str:
    """Return one line on where a job is: stage, step, time left."""
    text = STAGES.get(job.stage, job.stage)
    if job.steps:
        text += f" {job.step}/{job.steps}"
    if job.eta_s is not None:
        text += f", {duration(job.eta_s)} left"
    return text


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
