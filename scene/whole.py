# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures are looked at before Blender opens them: one that is cut off can end Blender's process."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..sync_engine.interface.memory import PIXEL_BYTES, lacking
from ..sync_engine.interface.picture_files import DamagedPicture, check_picture, picture_size
from .problems import SceneProblem, Trouble


def ensure_whole(path: Path) -> None:
    """Raise SceneProblem for a picture that is damaged or cannot be read."""
    try:
        check_picture(path)
    except DamagedPicture as error:
        raise SceneProblem(Trouble.DAMAGED_PICTURE, path.name, error.problem) from error
    except OSError as error:
        raise SceneProblem(Trouble.UNREADABLE_PICTURE, str(path)) from error


def ensure_memory(image: bpy.types.Image) -> None:
    """Raise SceneProblem where an image's pixels would not fit into the free memory; nothing is decoded."""
    on_disk = image.source == "FILE" and not image.packed_file and not image.has_data
    try:
        size = (
            picture_size(Path(bpy.path.abspath(image.filepath, library=image.library))) if on_disk else None
        )
    except (DamagedPicture, OSError):  # told by who reads it
        return
    width, height = size or image.size
    short = lacking(width * height * PIXEL_BYTES)
    if short is not None:
        raise SceneProblem(Trouble.LITTLE_MEMORY, image.name, short=short)


def ensure_image_whole(image: bpy.types.Image) -> None:
    """Do the same for an image's file, unless Blender has its pixels already or they are in the .blend."""
    if image.source == "FILE" and not image.packed_files and not image.has_data:
        ensure_whole(Path(bpy.path.abspath(image.filepath, library=image.library)))
