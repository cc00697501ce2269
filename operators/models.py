# SPDX-License-Identifier: GPL-3.0-or-later
"""Models: operators that fetch, check and remove them, in the background."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from ..engine import preferences
from ..engine.link import link
from ..engine.models import engine_models
from ..sync_engine.host.model_store import ModelAction, ModelRow
from ..translations import in_words, tr
from .mixins import WhenIdle

LOOK_S = 0.2
"""How often the blocking form looks."""
DIALOG_WIDTH = 420


class _Work(WhenIdle):
    """What the operators share: one thing at a time, and an engine to do it."""

    action: ModelAction

    @classmethod
    def poll(cls, context) -> bool:
        if not super().poll(context):
            return False
        if not preferences.engine_settings().python:
            cls.poll_message_set("The engine is not set up")
            return False
        return True

    def execute(self, context) -> set[str]:
        """Begin; without a window wait for the end."""
        store = engine_models.store()
        if store is None:  # the preferences have changed since poll
            return {"CANCELLED"}
        if not bpy.app.background:
            store.wait(LOOK_S)  # a listing that someone else has begun
            engine_models.start(self.action, getattr(self, "model", ""))
            return {"FINISHED"}
        store.wait()
        store.start(self.action, getattr(self, "model", ""))
        context.window_manager.progress_begin(0, 100)
        try:
            while not store.wait(LOOK_S):
                context.window_manager.progress_update(int(store.progress * 100))
        except KeyboardInterrupt:
            store.cancel()
            raise
        finally:
            context.window_manager.progress_end()
        if store.problem is not None:
            self.report({"ERROR"}, in_words(store.problem))
            return {"CANCELLED"}
        for note in store.notes:
            self.report({"INFO"}, tr(note))
        return {"FINISHED"}


class _OfModel(_Work):
    """Work on one model."""

    model: StringProperty(
        name="Model",
        description="Its name in the table of models, or a hub id as OWNER/NAME@REVISION",
    )

    def row(self) -> ModelRow | None:
        """Return what is known of the model."""
        store = engine_models.store()
        return next((row for row in (store.rows or ()) if row.name == self.model), None) if store else None


class SYNCSCAPE_OT_list_models(_Work, bpy.types.Operator):
    """Look again which models are on this computer"""

    bl_idname = "syncscape.list_models"
    bl_label = "Look Again"
    action = ModelAction.LIST


class SYNCSCAPE_OT_download_model(_OfModel, bpy.types.Operator):
    """Fetch a model from the hub, or go on with a download that was interrupted; every file is checked"""

    bl_idname = "syncscape.download_model"
    bl_label = "Download Model"
    action = ModelAction.DOWNLOAD

    @classmethod
    def poll(cls, context) -> bool:
        if not bpy.app.online_access:
            cls.poll_message_set("Online access is off: Preferences → System → Network")
            return False
        return super().poll(context)

    def invoke(self, context, _event) -> set[str]:
        """Show the size and the licence first."""
        return context.window_manager.invoke_props_dialog(
            self, width=DIALOG_WIDTH, title=tr("Download Model"), confirm_text=tr("Download")
        )

    def draw(self, _context) -> None:
        row, column = self.row(), self.layout.column(align=True)
        column.label(text=row.title if row else self.model, icon="IMAGE_DATA", translate=False)
        if row is None:
            return
        if row.download_gb:
            size = tr("Download: {size} GB", size=f"{row.download_gb:.1f}")
            if row.state == "partly":
                size += ", " + tr("{size:.1f} GB are here already", size=row.fetched_gb)
            column.label(text=size, translate=False)
        if row.memory_gb:
            column.label(text=tr("Wants {size:.0f} GB of GPU memory", size=row.memory_gb), translate=False)
        column.label(text=tr("Licence of the weights: {licence}", licence=row.licence), translate=False)
        source = preferences.engine_settings().hub or tr("the public hub")
        column.label(text=f"{row.source} ({source})", translate=False)


class SYNCSCAPE_OT_verify_model(_OfModel, bpy.types.Operator):
    """Read every byte of a model again and compare it with what its owner published"""

    bl_idname = "syncscape.verify_model"
    bl_label = "Verify Model"
    action = ModelAction.VERIFY


class SYNCSCAPE_OT_remove_model(_OfModel, bpy.types.Operator):
    """Delete a model and what is left of its downloads from this computer"""

    bl_idname = "syncscape.remove_model"
    bl_label = "Remove Model"
    action = ModelAction.REMOVE

    @classmethod
    def poll(cls, context) -> bool:
        if link.job is not None:
            cls.poll_message_set("A picture is being made. Wait for it, or cancel it")
            return False
        return super().poll(context)

    def invoke(self, context, event) -> set[str]:
        """Ask first."""
        row = self.row()
        size = (row.disk_gb or row.fetched_gb) if row else 0.0
        title = row.title if row else self.model
        message = tr("{title}, {size:.1f} GB. It can be fetched again.", title=title, size=size)
        return context.window_manager.invoke_confirm(self, event, title=tr("Remove Model"), message=message)

    def execute(self, context) -> set[str]:
        link.stop()  # the engine may hold its files
        return super().execute(context)


class SYNCSCAPE_OT_cancel_model(bpy.types.Operator):
    """Stop what is done to a model; what was fetched is kept, so that it can be gone on with"""

    bl_idname = "syncscape.cancel_model"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, _context) -> bool:
        if not engine_models.can_cancel:
            cls.poll_message_set("There is nothing that could be cancelled")
            return False
        return True

    def execute(self, _context) -> set[str]:
        engine_models.cancel()
        return {"FINISHED"}


_classes = (
    SYNCSCAPE_OT_list_models,
    SYNCSCAPE_OT_download_model,
    SYNCSCAPE_OT_verify_model,
    SYNCSCAPE_OT_remove_model,
    SYNCSCAPE_OT_cancel_model,
)
register, unregister = bpy.utils.register_classes_factory(_classes)
