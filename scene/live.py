# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture that is being made as the World of a scene, until it is ready or given up.

The scene's own World is kept in its settings meanwhile and comes back with ``restore``: at the job's
end, before the file is saved or rendered, and after undo or loading has brought an old state back. So
the unfinished World is never in a saved file, a render, or an undone scene for good.
"""

from __future__ import annotations

import time
from pathlib import Path

import bpy

from ..sync_engine.host.jobs import Job
from . import compat
from .world import new_world

NAME = "Syncscape Preview"
LIVE_KEY = "syncscape_live"
"""Custom property that marks the World and the image of a preview."""
EVERY_S = 0.3
"""A World that is only a preview changes no more often than this."""


class LiveWorld:
    """Which scene a job belongs to, and what of the job it shows.

    Attributes:
        scenes: ``session_uid`` of the scene by the job's id.
        shown: the preview that is shown and its time of change, or None.
    """

    def __init__(self) -> None:
        self.scenes: dict[str, int] = {}
        self.shown: tuple[Path, int] | None = None
        self._shown_at = 0.0

    def update(self, job: Job | None, busy: bool) -> None:
        """Let the job's scene show its newest picture if it wants to; nothing changes while ``busy``."""
        if busy:
            return
        scene_id = self.scenes.get(job.id) if job is not None else None
        scene = next((item for item in bpy.data.scenes if item.session_uid == scene_id), None)
        if job is None or scene is None or not scene.syncscape.live_world or job.spec.kind != "world":
            self.hide()
            return
        if job.preview is None or time.monotonic() - self._shown_at < EVERY_S:
            return
        try:
            preview = (job.preview, job.preview.stat().st_mtime_ns)
            if preview == self.shown and is_live(scene.world):
                return
            show(scene, job.preview)
        except (OSError, RuntimeError):  # the job is just ending: its preview is gone
            return
        self.shown, self._shown_at = preview, time.monotonic()

    def hide(self) -> None:
        """Give the scene its own World back, if it shows a picture that is being made."""
        if self.shown is not None:
            restore()
            self.shown = None


def show(scene: bpy.types.Scene, preview: Path) -> None:
    """Light the scene with an unfinished picture, an 8-bit equirectangular PNG.

    Raises RuntimeError if the file cannot be read any more.
    """
    image = next((item for item in bpy.data.images if LIVE_KEY in item), None)
    if image is None:
        image = bpy.data.images.load(str(preview), check_existing=False)
        image.name = NAME
        image[LIVE_KEY] = True
        compat.set_colorspace(image, "sRGB")
    else:
        image.filepath = str(preview)
        image.reload()
    if is_live(scene.world):
        return
    scene.syncscape.world_before = scene.world
    world = next((item for item in bpy.data.worlds if LIVE_KEY in item), None)
    if world is None:
        world = new_world(NAME, image)
        world[LIVE_KEY] = True
    scene.world = world


def is_live(world: bpy.types.World | None) -> bool:
    """Tell whether a World is only the picture that is being made."""
    return world is not None and LIVE_KEY in world


def give_back() -> None:
    """Give every scene its own World back; what ``show`` made stays in the file, used by nobody."""
    for scene in bpy.data.scenes:
        if is_live(scene.world):
            scene.world = scene.syncscape.world_before
        if scene.syncscape.world_before is not None:
            scene.syncscape.world_before = None


def restore() -> None:
    """Give every scene its own World back and remove what ``show`` made; does nothing without it."""
    give_back()
    for collection in (bpy.data.worlds, bpy.data.images):
        for item in [item for item in collection if LIVE_KEY in item]:
            collection.remove(item)


@bpy.app.handlers.persistent
def _on_event(*_) -> None:
    restore()


@bpy.app.handlers.persistent
def _on_render(*_) -> None:
    give_back()  # nothing is removed while a viewport or the render may still read it


_HANDLERS = {
    **dict.fromkeys(("save_pre", "load_post", "undo_post", "redo_post"), _on_event),
    "render_init": _on_render,
}


def register() -> None:
    """Take care of saving, loading, undo and rendering."""
    for name, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    """Give the Worlds back and stop listening."""
    for name, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, name).remove(handler)
    restore()
