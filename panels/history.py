# SPDX-License-Identifier: GPL-3.0-or-later
"""The history: everything that was ever made, as pictures to choose from, and what can be done with one.

Nothing of it is kept in the file: the library on the disk is the history, and which of its pictures is
chosen matters to this window only.
"""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import math

import bpy
from bpy.props import EnumProperty, IntProperty, PointerProperty, StringProperty

from ..engine.export import engine_export
from ..engine.library import results
from ..engine.link import link
from ..sync_engine.host.history import Result
from ..translations import tr
from . import previews
from .parts import draw_text, duration

PAGE = 48
"""Pictures shown at a time: Blender draws and keeps no more than these, however many there are."""
UNFINISHED_LINES = 6
TILE_SCALE, POPUP_SCALE = 6.0, 5.0
ALL = "all"
KIND_FILTER_ITEMS = (
    (ALL, "All", "Show Worlds and plates", "RENDERLAYERS", 0),
    ("world", "Worlds", "Show Worlds only", "WORLD", 1),
    ("plate", "Plates", "Show plates only", "IMAGE_BACKGROUND", 2),
)


class _Shown:
    """What the filter leaves of the library, the page of it, and its pictures as Blender wants them."""

    def __init__(self) -> None:
        self.found: list[Result] = []
        self.page: list[Result] = []
        self.items: list[tuple[str, str, str, int, int]] = []  # Blender keeps no copy of these texts
        self.chosen = ""
        self._found_key: object = None
        self._page_key: object = None
        self._newest = ""

    def update(self, history: SyncscapeHistory) -> None:
        """Take in the library, the filter and the page; costs nothing while none has changed."""
        library = results.library()
        key = (library.folder, library.version, history.kind, history.text)
        if key != self._found_key:
            self._found_key = key
            self.found = library.find(None if history.kind == ALL else history.kind, history.text)
            newest = library.newest()
            if newest is not None and newest.id > self._newest:  # a new picture is what one wants to see
                self._newest, self.chosen = newest.id, ""
        start = PAGE * min(history.page, self.pages - 1)
        if (key, start) != self._page_key:
            self._page_key = (key, start)
            self.page = self.found[start : start + PAGE]
            icons = previews.thumbnails([result.preview for result in self.page])
            self.items = [
                (result.id, result.spec.prompt, details(result), icon, number)
                for number, (result, icon) in enumerate(zip(self.page, icons, strict=True))
            ]

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, math.ceil(len(self.found) / PAGE))

    def result(self) -> Result | None:
        """Return the chosen result, else the first of the page, else None."""
        return next((result for result in self.page if result.id == self.chosen), next(iter(self.page), None))


_shown = _Shown()


def _items(self, _context) -> list[tuple[str, str, str, int, int]]:
    _shown.update(self)
    return _shown.items


def _get_chosen(self) -> int:
    _shown.update(self)
    return next((number for number, item in enumerate(_shown.items) if item[0] == _shown.chosen), 0)


def _set_chosen(_self, number: int) -> None:
    _shown.chosen = _shown.items[number][0] if number < len(_shown.items) else ""


def _first_page(self, _context) -> None:
    self.page = 0


class SyncscapeHistory(bpy.types.PropertyGroup):
    """The filter of the history and the picture chosen in it, for this session."""

    text: StringProperty(
        name="Filter",
        description="Show only pictures whose prompt or name has all of these words",
        options={"TEXTEDIT_UPDATE", "SKIP_SAVE"},
        update=_first_page,
    )
    kind: EnumProperty(
        name="Kind",
        description="Which pictures to show",
        items=KIND_FILTER_ITEMS,
        options={"SKIP_SAVE"},
        update=_first_page,
    )
    page: IntProperty(
        name="Page", description="Which part of the history is shown", min=0, options={"SKIP_SAVE"}
    )
    chosen: EnumProperty(
        name="Picture",
        description="The picture that the buttons below work on",
        items=_items,
        get=_get_chosen,
        set=_set_chosen,
        options={"SKIP_SAVE"},
    )


class SYNCSCAPE_OT_history_page(bpy.types.Operator):
    """Show newer or older pictures"""

    bl_idname = "syncscape.history_page"
    bl_label = "Turn Page"
    bl_options = {"INTERNAL"}

    step: IntProperty(
        name="Step", description="How many pages to go on; negative goes back to newer pictures", default=1
    )

    def execute(self, context) -> set[str]:
        history = context.window_manager.syncscape_history
        _shown.update(history)
        history.page = min(max(0, min(history.page, _shown.pages - 1) + self.step), _shown.pages - 1)
        return {"FINISHED"}


class VIEW3D_PT_syncscape_history(bpy.types.Panel):
    """Everything made so far: look for a picture, use it again, keep it or throw it away"""

    bl_label = "History"
    bl_translation_context = "Syncscape"  # Blender's own German word for it means a log
    bl_parent_id = "VIEW3D_PT_syncscape"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Syncscape"

    @classmethod
    def poll(cls, _context) -> bool:
        library = results.library()
        return bool(library.results or link.unfinished()) or not library.complete

    def draw(self, context) -> None:
        layout, history = self.layout, context.window_manager.syncscape_history
        _shown.update(history)
        _draw_unfinished(layout, context)
        row = layout.row(align=True)
        row.prop(history, "text", text="", icon="VIEWZOOM")
        row.prop(history, "kind", text="", expand=True, icon_only=True)
        result = _shown.result()
        if result is None:
            unread = not results.library().complete
            draw_text(
                layout, context, "The library is being read…" if unread else "No picture has these words."
            )
            return
        layout.template_icon_view(
            history, "chosen", show_labels=True, scale=TILE_SCALE, scale_popup=POPUP_SCALE
        )
        _draw_pager(layout, history)
        draw_text(layout, context, result.spec.prompt, translate=False)
        draw_text(layout, context, details(result), translate=False)
        _draw_actions(layout, context, result)


def _draw_unfinished(layout: bpy.types.UILayout, context) -> None:
    """Draw what was interrupted or never begun: this week's cancelled, crashed and waiting pictures."""
    left = link.unfinished()
    if not left:
        return
    box = layout.box()
    row = box.row(align=True)
    row.label(text=tr("Unfinished: {count}", count=len(left)), icon="RECOVER_LAST", translate=False)
    if len(left) > 1:
        row.operator("syncscape.resume", text="Resume All")
        row.operator("syncscape.discard", text="", icon="TRASH", emboss=False)
    column = box.column(align=True)
    for job in left[:UNFINISHED_LINES]:
        row = column.row(align=True)
        row.label(text=job.spec.prompt, translate=False, icon="PAUSE" if job.begun else "SORTTIME")
        row.operator("syncscape.resume", text="", icon="PLAY").job = job.id
        row.operator("syncscape.discard", text="", icon="X", emboss=False).job = job.id
    if len(left) > UNFINISHED_LINES:
        column.label(text=tr("and {count} more", count=len(left) - UNFINISHED_LINES))


def _draw_pager(layout: bpy.types.UILayout, history: SyncscapeHistory) -> None:
    if _shown.pages == 1:
        return
    page = min(history.page, _shown.pages - 1)
    row = layout.row(align=True)
    newer = row.row(align=True)
    newer.enabled = page > 0
    newer.operator("syncscape.history_page", text="", icon="TRIA_LEFT").step = -1
    first, count = page * PAGE + 1, len(_shown.found)
    last = page * PAGE + len(_shown.page)
    row.label(text=tr("{first} to {last} of {count}", first=first, last=last, count=count), translate=False)
    older = row.row(align=True)
    older.enabled = page < _shown.pages - 1
    older.operator("syncscape.history_page", text="", icon="TRIA_RIGHT").step = 1


def _draw_actions(layout: bpy.types.UILayout, context, result: Result) -> None:
    column = layout.column(align=True)
    column.operator_context = "INVOKE_DEFAULT"
    if result.kind == "world":
        column.operator("syncscape.apply_world", icon="WORLD").result = result.id
        column.operator("syncscape.look", icon="HIDE_OFF").result = result.id
        column.operator("syncscape.enlarge", icon="FULLSCREEN_ENTER").result = result.id
        column.operator("syncscape.swap_picture", icon="UV_SYNC_SELECT").result = result.id
        column.operator("syncscape.backdrop_picture", icon="IMAGE_BACKGROUND").result = result.id
        column.operator("syncscape.save_asset", icon="ASSET_MANAGER").result = result.id
        if engine_export.busy:
            column.label(text="Exporting…", icon="EXPORT")
        else:
            column.operator("syncscape.export", icon="EXPORT").result = result.id
    else:
        column.operator("syncscape.apply_plate", icon="IMAGE_BACKGROUND").result = result.id
        column.prop(context.scene.syncscape, "render_plate", toggle=True)
    row = column.row(align=True)
    row.operator("syncscape.reuse_settings", icon="LOOP_BACK").result = result.id
    row.operator("syncscape.new_seed", icon="FILE_REFRESH").result = result.id
    column.operator("syncscape.use_as_guide", icon="IMAGE_REFERENCE").result = result.id
    row = column.row(align=True)
    row.operator("syncscape.reveal", icon="FILE_FOLDER").result = result.id
    row.operator("syncscape.delete_result", icon="TRASH").result = result.id


def details(result: Result) -> str:
    """Return one line on a result: size, seed, model, time it took."""
    size = {"width": result.spec.width, "height": result.spec.pixel_height}
    text = tr(
        "{width} × {height}, seed {seed}, {model}", seed=result.spec.seed, model=result.spec.model, **size
    )
    total = result.timings.get("total")
    return f"{text}, {duration(total)}" if isinstance(total, (int, float)) else text


_classes = (SyncscapeHistory, SYNCSCAPE_OT_history_page, VIEW3D_PT_syncscape_history)


def register() -> None:
    """Register the panel and ``WindowManager.syncscape_history``."""
    for cls in _classes:
        bpy.utils.register_class(cls)
    bpy.types.WindowManager.syncscape_history = PointerProperty(type=SyncscapeHistory)


def unregister() -> None:
    """Remove them again."""
    del bpy.types.WindowManager.syncscape_history
    for cls in reversed(_classes):
        bpy.utils.unregister_class(cls)
    _shown.__init__()
