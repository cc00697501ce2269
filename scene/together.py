# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a file and its pictures together: packed into it, or copied into a folder beside it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import bpy

from ..sync_engine.host.history import IMAGE_NAMES
from ..sync_engine.interface.durable import written_beside
from .whole import ensure_whole
from .world import RESULT_KEY

FOLDER = "syncscape"
"""The folder beside the .blend: ``syncscape/RESULT/world.exr``."""


def pictures() -> list[bpy.types.Image]:
    """Return the pictures of results that this file uses from their place on the disk."""
    return [
        image
        for image in bpy.data.images
        if image.get(RESULT_KEY)
        and image.source == "FILE"
        and not image.packed_file
        and image.library is None
        and (image.users or image.use_fake_user)
    ]


def pack() -> list[str]:
    """Pack those pictures into the file and return their names.

    Raises:
        SceneProblem: one is damaged or gone; those before it are packed.
        RuntimeError: Blender cannot read one.
    """
    done = []
    for image in pictures():
        ensure_whole(_path(image))
        image.pack()
        done.append(image.name)
    return done


def collect(beside: Path) -> list[str]:
    """Copy those pictures beside a saved .blend, name them by relative paths, and return their names.

    Copies are whole or not at all, and a copy that is there already is used.

    Raises:
        SceneProblem: a picture is damaged or gone; those before it are collected.
        OSError: the folder cannot be written.
    """
    done = []
    for image in pictures():
        source = _path(image)
        target = beside.parent / FOLDER / str(image[RESULT_KEY]) / source.name
        if source == target:
            continue
        ensure_whole(source)
        if not target.is_file() or target.stat().st_size != source.stat().st_size:
            target.parent.mkdir(parents=True, exist_ok=True)
            with written_beside(target) as part:
                shutil.copyfile(source, part)
                ensure_whole(part)
        image.filepath = f"//{target.relative_to(beside.parent).as_posix()}"
        done.append(image.name)
    return done


def moved(library: Path) -> dict[bpy.types.Image, Path]:
    """Return the pictures of this file that are no longer where it says, but in the library, and where.

    A picture is known by its result's id. What the library has under it may be damaged: ``relink`` looks.
    """
    found = {}
    for image in pictures():
        result, name = str(image[RESULT_KEY]), _path(image).name
        if name not in IMAGE_NAMES.values() or Path(result).name != result or result.startswith("."):
            continue  # an id of a stranger's file leads nowhere else
        there = library / result / name
        if not _path(image).exists() and there.is_file():
            found[image] = there
    return found


def relink(library: Path) -> list[str]:
    """Use those pictures from where they are now, and return their names.

    Raises:
        SceneProblem: one is damaged; those before it are linked.
    """
    done = []
    for image, there in moved(library).items():
        ensure_whole(there)
        image.filepath = str(there)
        image.reload()
        done.append(image.name)
    return done


def _path(image: bpy.types.Image) -> Path:
    return Path(os.path.normpath(bpy.path.abspath(image.filepath)))
