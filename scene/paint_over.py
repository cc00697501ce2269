# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairs by painting: a copy of a picture is painted over, and what differs becomes a mask."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from . import compat, picture_bytes
from .problems import SceneProblem, Trouble

REPAIRS_KEY = "syncscape_repairs"
"""Custom property of a copy that is painted over: the file of the picture."""
DIFFERENT = 0.004
"""A pixel with a channel that differs by more has been painted over: an eighth bit is 0.0039."""


def file_of(image: bpy.types.Image, folder: Path) -> Path:
    """Return a file that holds an image as it is now: its own, or a new one in a folder.

    Raises:
        SceneProblem: the image has no pixels.
    """
    if not all(image.size):
        raise SceneProblem(Trouble.EMPTY_IMAGE, image.name)
    own = Path(bpy.path.abspath(image.filepath)) if image.filepath else None
    if own is not None and own.is_file() and not image.is_dirty and image.packed_file is None:
        return own
    path = free_name(folder, bpy.path.clean_name(Path(image.name).stem), ".exr" if image.is_float else ".png")
    pixels = _colours(image)[::-1]
    if image.is_float:
        content = picture_bytes.exr({name: pixels[..., i] for i, name in enumerate("RGB")})
    else:
        content = picture_bytes.png((pixels.clip(0, 1) * 255 + 0.5).astype(np.uint8))
    picture_bytes.write(path, content)
    return path


def free_name(folder: Path, name: str, suffix: str) -> Path:
    """Return a path in a folder that no file has."""
    number = 1
    while (folder / f"{name}-{number}{suffix}").exists():
        number += 1
    return folder / f"{name}-{number}{suffix}"


def copy_to_paint(image: bpy.types.Image, file: Path) -> bpy.types.Image:
    """Return a copy of an image to paint over; the image stays."""
    pixels = np.empty(len(image.pixels), dtype=np.float32)
    image.pixels.foreach_get(pixels)
    width, height = image.size
    copy = bpy.data.images.new(
        f"Repair {image.name}", width, height, alpha=False, float_buffer=image.is_float
    )
    copy.colorspace_settings.name = image.colorspace_settings.name
    copy.pixels.foreach_set(pixels)
    copy.update()
    copy.pack()
    copy[REPAIRS_KEY] = str(file)
    return copy


def painted_mask(copy: bpy.types.Image, folder: Path) -> Path:
    """Write a mask, white where a copy differs from the picture it was made of; return its file.

    Raises:
        SceneProblem: nothing has been painted over, or the picture is gone.
    """
    file = Path(copy[REPAIRS_KEY])
    try:
        original = bpy.data.images.load(str(file), check_existing=False)
    except RuntimeError as error:
        raise SceneProblem(Trouble.UNREADABLE_PICTURE, str(file)) from error
    try:
        compat.set_colorspace(original, copy.colorspace_settings.name)
        if tuple(original.size) != tuple(copy.size):
            raise SceneProblem(Trouble.UNREADABLE_PICTURE, str(file))
        before, after = (_colours(image) for image in (original, copy))
    finally:
        bpy.data.images.remove(original)
    off = np.abs(after - before) > DIFFERENT * np.maximum(1, np.abs(before))
    painted = off.max(axis=2, keepdims=True)
    if not painted.any():
        raise SceneProblem(Trouble.NOTHING_PAINTED, copy.name)
    path = free_name(folder, "mask", ".png")
    picture_bytes.write(path, picture_bytes.png(painted[::-1].astype(np.uint8) * 255))
    return path


def _colours(image: bpy.types.Image) -> np.ndarray:
    """Return the colours ``(H, W, 3)`` of an image, its lowest row first."""
    pixels = np.empty(len(image.pixels), dtype=np.float32)
    image.pixels.foreach_get(pixels)
    colours = pixels.reshape(image.size[1], image.size[0], image.channels)[..., :3]
    return np.broadcast_to(colours, (*colours.shape[:2], 3))
