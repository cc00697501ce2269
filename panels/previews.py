# SPDX-License-Identifier: GPL-3.0-or-later
"""Preview pictures as icons, loaded again when their file has changed."""

from __future__ import annotations

from pathlib import Path

import bpy.utils.previews

_collection: bpy.utils.previews.ImagePreviewCollection | None = None
_seen: dict[str, int] = {}
_kept: dict[str, None] = {}
KEPT = 192
THUMBNAIL = "thumbnail "
"""Begins the names of pictures that do not change, beside those of live ones."""


def icon(path: Path | None) -> int:
    """Return the icon of a picture file, or 0 if there is none to show.

    The picture is read now, not later in the background, so that a live preview does not flicker.
    """
    if path is None or _collection is None:
        return 0
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return 0
    name = str(path)
    if _seen.get(name) != changed:
        if name in _collection:
            del _collection[name]
        picture = _collection.load(name, name, "IMAGE", True)
        _ = picture.image_size[0]
        _seen[name] = changed
    return _collection[name].icon_id


def thumbnails(paths: list[Path]) -> list[int]:
    """Return the icons of many picture files, 0 where there can be none.

    Blender reads a file only when its icon is drawn, in the background. Of the pictures asked for
    earlier no more are kept than KEPT, so that a long history does not fill the memory.
    """
    if _collection is None:
        return [0] * len(paths)
    names = [f"{THUMBNAIL}{path}" for path in paths]
    for name, path in zip(names, paths, strict=True):
        if name not in _collection:
            _collection.load(name, str(path), "IMAGE")
        _kept.pop(name, None)
        _kept[name] = None  # the last is the one used last
    for name in list(_kept)[: max(0, len(_kept) - max(KEPT, len(names)))]:
        del _kept[name], _collection[name]
    return [_collection[name].icon_id for name in names]


def register() -> None:
    """Make the collection."""
    global _collection
    _collection = bpy.utils.previews.new()


def unregister() -> None:
    """Free the collection and its pictures."""
    global _collection
    if _collection is not None:
        bpy.utils.previews.remove(_collection)
    _collection = None
    _seen.clear()
    _kept.clear()
