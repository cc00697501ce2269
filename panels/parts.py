# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts that several panels draw: wrapped text, problems, progress, the Generate button."""

from __future__ import annotations

import blf
import bpy

from ..engine.batch import engine_batch
from ..engine.link import link
from ..sync_engine.host.jobs import Failure, Job
from ..sync_engine.interface.messages import Stage
from ..sync_engine.interface.wording import Message
from ..translations import tr
from . import previews

STAGES = {
    "": "Starting the engine",
    Stage.DOWNLOAD: "Downloading the model",
    Stage.LOAD: "Loading the model",
    Stage.ENCODE: "Reading the prompt",
    Stage.DENOISE: "Denoising",
    Stage.DECODE: "Decoding",
    Stage.DETAIL: "Adding detail",
    Stage.WRITE: "Saving",
}
PREVIEW_SCALE = 8.0
QUEUE_LINES = 6
"""So many of the waiting jobs are named; the rest is counted."""
FONT_POINTS = 11.0
MARGIN_PX, ICON_PX = 64, 36
"""What of a region's width, at scale 1, panels leave free beside a text, and beside one with an icon."""


def draw_text(
    layout: bpy.types.UILayout, context, text: str, icon: str = "NONE", translate: bool = True
) -> None:
    """Draw a text over as many lines as the region's width asks for, an empty one over none."""
    if not text:
        return
    text = tr(text) if translate else text
    scale = context.preferences.system.ui_scale or 1.0  # 0 without a window
    margin = MARGIN_PX if icon == "NONE" else MARGIN_PX + ICON_PX
    width = (context.region.width if context.region else 300) - margin * scale
    column = layout.column(align=True)
    column.scale_y = 0.8
    for index, line in enumerate(_wrapped(text, width, scale)):
        shown = icon if index == 0 else "BLANK1" if icon != "NONE" else "NONE"
        column.label(text=line, icon=shown, translate=False)


def _wrapped(text: str, width: float, scale: float) -> list[str]:
    """Break a text into lines that fit, as Blender's own font measures them."""
    blf.size(0, FONT_POINTS * scale)

    def fits(line: str) -> bool:
        return len(line) < 2 or blf.dimensions(0, line)[0] <= width

    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and not fits(longer):
            lines.append(line)
            longer = word
        while not fits(longer):  # one long word, a path perhaps
            end = next(end for end in range(len(longer) - 1, 0, -1) if fits(longer[:end]))
            lines.append(longer[:end])
            longer = longer[end:]
        line = longer
    return [*lines, line]


def draw_problem(layout: bpy.types.UILayout, context, failure: Failure) -> None:
    """Draw what went wrong and what to do."""
    # Blender 4 would give a progress bar's highlight to the box that comes where the bar was.
    layout.separator(factor=0.01)
    box = layout.box()
    draw_text(box, context, failure.message, "ERROR")
    if failure.hint:
        draw_text(box, context, failure.hint, "INFO")
    if failure.code == "engine_missing":
        draw_preferences_button(box)
    if failure.code == "not_agreed" and link.refused:
        box.operator("syncscape.agree", icon="IMPORT")
        return
    if failure.code != "bad_spec":
        row = box.row(align=True)
        row.operator("syncscape.copy_details", icon="COPYDOWN")
        row.operator("syncscape.open_log", icon="TEXT")


def draw_silence(layout: bpy.types.UILayout, context) -> None:
    """Draw, while the engine does not respond, for how long, and the button that ends it."""
    if not link.silent_for:
        return
    text = Message("The engine has not responded for {seconds:.0f} s.", seconds=link.silent_for)
    draw_text(layout, context, text, "ERROR")
    layout.operator("syncscape.restart_engine", icon="FILE_REFRESH")


def draw_preferences_button(layout: bpy.types.UILayout) -> None:
    """Draw a button that opens this extension's preferences."""
    package = (__package__ or "").rpartition(".")[0]
    layout.operator("preferences.addon_show", text="Open Preferences", icon="PREFERENCES").module = package


def draw_prompt(layout: bpy.types.UILayout, settings) -> None:
    """Draw the prompt field with the menu of styles."""
    row = layout.row(align=True)
    row.prop(settings, "prompt", text="", placeholder="Describe a place…")
    row.menu("SYNCSCAPE_MT_styles", text="", icon="BRUSH_DATA")


def draw_generate(layout: bpy.types.UILayout, context) -> None:
    """Draw the Generate button, and while jobs run their progress, preview, queue and cancel buttons."""
    job = link.job
    if job is not None:
        _draw_job(layout, context, job)
    row = layout.row()
    row.scale_y = 1.4 if job is None else 1.0
    row.operator_context = "INVOKE_DEFAULT"
    row.operator("syncscape.generate", text="Generate" if job is None else "Add to Queue", icon="SHADERFX")
    if job is not None:
        _draw_queue(layout)
    if link.error is not None:
        draw_problem(layout, context, link.error)
    _draw_batch(layout, context)


def _draw_batch(layout: bpy.types.UILayout, context) -> None:
    """Draw how far a batch is that runs beside Blender, and what went wrong with the last."""
    run = engine_batch.run
    if engine_batch.busy and run is not None:
        left = "" if run.eta_s is None else ", " + tr("{time} left", time=duration(run.eta_s))
        row = layout.row(align=True)
        row.progress(
            factor=run.progress, text=tr("Batch: {done} of {count}", done=run.step, count=run.steps) + left
        )
        row.operator("syncscape.stop_batch", text="", icon="X")
    elif engine_batch.problem is not None:
        draw_problem(layout, context, engine_batch.problem)


def _draw_job(layout: bpy.types.UILayout, context, job: Job) -> None:
    row = layout.row(align=True)
    row.scale_y = 1.4
    row.progress(factor=job.progress, text=job_text(job))
    row.operator("syncscape.cancel", text="", icon="X").job = job.id
    draw_silence(layout, context)
    icon = previews.icon(job.preview)
    if icon:
        layout.template_icon(icon_value=icon, scale=PREVIEW_SCALE)
    if job.note:
        draw_text(layout, context, job.note, "INFO")


def _draw_queue(layout: bpy.types.UILayout) -> None:
    """Draw the jobs that wait, the next one first."""
    waiting = link.waiting
    if not waiting:
        return
    column = layout.box().column(align=True)
    row = column.row()
    row.label(text=tr("Waiting: {count}", count=len(waiting)), icon="SORTTIME")
    row.operator("syncscape.clear_queue", text="Clear", icon="X")
    for job in waiting[:QUEUE_LINES]:
        row = column.row(align=True)
        row.label(text=job.spec.prompt, translate=False)
        row.operator("syncscape.cancel", text="", icon="X", emboss=False).job = job.id
    if len(waiting) > QUEUE_LINES:
        column.label(text=tr("and {count} more", count=len(waiting) - QUEUE_LINES))


def job_text(job: Job) -> str:
    """Return one line on where a job is: stage, step, time left."""
    text = tr(STAGES.get(job.stage, job.stage))
    if job.steps:
        text += f" {job.step}/{job.steps}" + (" MB" if job.stage == Stage.DOWNLOAD else "")
    if job.eta_s is not None:
        text += ", " + tr("{time} left", time=duration(job.eta_s))
    return text


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
