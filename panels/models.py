# SPDX-License-Identifier: GPL-3.0-or-later
"""The models in the preferences: which there are, what they take, and the buttons that fetch them."""

from __future__ import annotations

import bpy

from ..engine.models import engine_models
from ..sync_engine.host.model_store import ModelAction, ModelRow, ModelStore
from ..translations import tr
from .parts import draw_text, duration

STAGES = {
    ModelAction.LIST: "Looking for models",
    ModelAction.DOWNLOAD: "Downloading the model",
    ModelAction.VERIFY: "Verifying the model",
    ModelAction.REMOVE: "Removing the model",
}


def draw_models(layout: bpy.types.UILayout, context) -> None:
    """Draw the table of models with what can be done about each."""
    store = engine_models.show()
    if store is None:
        draw_text(layout, context, "The engine is not set up.", "INFO")
        return
    if store.action is not None:
        _draw_work(layout, store)
    if store.problem is not None:
        draw_text(layout, context, store.problem.message, "ERROR")
        draw_text(layout, context, store.problem.hint, "INFO")
    for note in store.notes:
        draw_text(layout, context, note, "INFO")
    if not bpy.app.online_access:
        draw_text(layout, context, "Online access is off.", "INFO")
    layout.operator("syncscape.list_models", icon="FILE_REFRESH")
    for row in sorted(store.rows or (), key=lambda row: row.state == "absent"):  # what is here comes first
        _draw_row(layout, row, store)


def _draw_work(layout: bpy.types.UILayout, store: ModelStore) -> None:
    text = tr(STAGES[store.action]) if store.action is not None else ""
    if store.name:
        text += f": {store.name}"
    if store.steps:
        text += f", {store.step}/{store.steps} MB"
    if store.eta_s is not None:
        text += ", " + tr("{time} left", time=duration(store.eta_s))
    row = layout.row(align=True)
    row.progress(factor=store.progress, text=text)
    if store.action in (ModelAction.DOWNLOAD, ModelAction.VERIFY):
        row.operator("syncscape.cancel_model", text="", icon="X")


def _draw_row(layout: bpy.types.UILayout, row: ModelRow, store: ModelStore) -> None:
    box = layout.box()
    line = box.row()
    line.label(text=row.title, icon="CHECKMARK" if row.state == "here" else "BLANK1", translate=False)
    line.operator_context = "INVOKE_DEFAULT"
    if not row.bundled:
        _draw_buttons(line, row)
    column = box.column(align=True)
    column.scale_y = 0.8
    for text in model_lines(row):
        column.label(text=text, icon="BLANK1", translate=False)


def _draw_buttons(line: bpy.types.UILayout, row: ModelRow) -> None:
    if row.state == "here":
        line.operator("syncscape.verify_model", text="Verify", icon="FILE_REFRESH").model = row.name
    else:
        text = "Resume" if row.state == "partly" else "Download"
        line.operator("syncscape.download_model", text=text, icon="IMPORT").model = row.name
    if row.state != "absent":
        line.operator("syncscape.remove_model", text="", icon="TRASH").model = row.name


def model_lines(row: ModelRow) -> list[str]:
    """Return what a model takes, and its licence."""
    sizes = []
    if row.bundled:
        sizes.append(tr("Bundled"))
    elif row.state == "here":
        sizes.append(tr("Here: {size} GB", size=_number(row.disk_gb)))
    elif row.state == "partly":
        sizes.append(tr("{size:.1f} of {whole:.1f} GB are here", size=row.fetched_gb, whole=row.download_gb))
    elif row.download_gb:
        sizes.append(tr("Download: {size} GB", size=_number(row.download_gb)))
    if row.memory_gb and not row.bundled:
        sizes.append(tr("Wants {size:.0f} GB of GPU memory", size=row.memory_gb))
    return [", ".join(sizes), tr("Licence of the weights: {licence}", licence=row.licence)]


def _number(gigabytes: float) -> str:
    """Return a size with a digit that says something, for tiny decoders too."""
    return f"{gigabytes:.1f}" if gigabytes >= 0.1 else f"{gigabytes:.2f}"
