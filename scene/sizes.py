# SPDX-License-Identifier: GPL-3.0-or-later
"""The size of a World's picture: a small one while working, the full one in renders, each as one chooses.

The nodes hold the picture for the viewport. A render that begins gets the other one, and when it ends the
nodes get back the viewport's. A file that is saved holds the full picture, so that it is right without this
extension too. Which size is meant stands in the World; after undo and loading the nodes are set by that.
"""

from __future__ import annotations

from enum import Enum

import bpy

from .copies import packed_copy
from .problems import SceneProblem, Trouble
from .sun import pixels, reduced

FULL = 0
WIDTHS = (1024, 2048, 4096)
"""What the panel offers, in pixels, beside the full size."""
KEYS = {"viewport": "syncscape_viewport_width", "render": "syncscape_render_width"}
"""Custom properties of a World: the width for each use; none is the full one."""
FULL_KEY, WIDTH_KEY = "syncscape_full", "syncscape_width"
"""Custom properties of a small copy: the full image, which stays in the file by it, and the copy's width."""
COPY_KEY = "syncscape_copy_"
"""Custom properties of a World, with a number behind: its small copies, which so are saved with it."""


class Use(Enum):
    """What the nodes' picture is for."""

    VIEWPORT = "viewport"
    RENDER = "render"
    SAVING = "saving"


def widths(world: bpy.types.World) -> tuple[int, int]:
    """Return the widths for the viewport and for renders; 0 is the full one."""
    viewport, render = (int(world.get(KEYS[use.value], FULL)) for use in (Use.VIEWPORT, Use.RENDER))
    return viewport, render


def set_widths(world: bpy.types.World, viewport: int, render: int) -> None:
    """Choose the sizes of a World's pictures, its light's and its background's.

    Args:
        world: has an Environment Texture, whoever made it.
        viewport, render: pixels; 0, or more than the picture has, is the full size.

    Raises:
        SceneProblem: no picture is there, or it cannot be read, or not with the memory that is free.
    """
    nodes = _nodes(world)
    if not nodes:
        raise SceneProblem(Trouble.NO_PICTURE)
    copies = [
        _copy(image, width)
        for width in sorted({viewport, render} - {FULL})
        for image in {full_of(node.image) for node in nodes}
    ]
    for key in [key for key in world.keys() if key.startswith(COPY_KEY)]:  # noqa: SIM118  # no dictionary
        del world[key]
    for number, image in enumerate(image for image in copies if image is not None):
        world[f"{COPY_KEY}{number}"] = image
    world[KEYS["viewport"]], world[KEYS["render"]] = viewport, render
    _settle_world(world, Use.VIEWPORT)


def full_of(image: bpy.types.Image) -> bpy.types.Image:
    """Return the full picture that an image is a small copy of, or the image itself."""
    full = image.get(FULL_KEY)
    return full if isinstance(full, bpy.types.Image) else image


def settle(use: Use) -> None:
    """Give the nodes of all Worlds that have chosen sizes the picture for a use."""
    for world in bpy.data.worlds:
        if any(world.get(key) for key in KEYS.values()):
            _settle_world(world, use)


def _settle_world(world: bpy.types.World, use: Use) -> None:
    width = FULL if use is Use.SAVING else int(world.get(KEYS[use.value], FULL))
    for node in _nodes(world):
        full = full_of(node.image)
        image = (_existing(full, width) or full) if width else full
        if node.image != image:
            node.image = image


def _nodes(world: bpy.types.World) -> list[bpy.types.Node]:
    tree = world.node_tree
    if tree is None or world.library is not None:
        return []
    return [node for node in tree.nodes if node.bl_idname == "ShaderNodeTexEnvironment" and node.image]


def _existing(full: bpy.types.Image, width: int) -> bpy.types.Image | None:
    for image in bpy.data.images:
        if image.get(WIDTH_KEY) == width and image.get(FULL_KEY) == full:
            return image
    return None


def _copy(full: bpy.types.Image, width: int) -> bpy.types.Image | None:
    """Return the small copy of a picture, made if need be; None where it would not be smaller."""
    found = _existing(full, width)
    if found is not None:
        return found
    radiance = pixels(full)
    if radiance.shape[1] <= width:
        return None
    image = packed_copy(f"{full.name} {width}", reduced(radiance, width), full)
    image[FULL_KEY], image[WIDTH_KEY] = full, width
    return image


def _handler(use: Use):
    @bpy.app.handlers.persistent
    def settle_now(*_) -> None:
        settle(use)

    return settle_now


_HANDLERS = {
    "render_init": _handler(Use.RENDER),
    "save_pre": _handler(Use.SAVING),
    **dict.fromkeys(
        ("render_complete", "render_cancel", "save_post", "save_post_fail", "load_post"),
        _handler(Use.VIEWPORT),
    ),
}
_HANDLERS |= dict.fromkeys(("undo_post", "redo_post"), _HANDLERS["load_post"])


def register() -> None:
    """Take care of renders, saving, loading and undo."""
    for name, handler in _HANDLERS.items():
        if hasattr(bpy.app.handlers, name):
            getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    """Stop listening; the nodes keep the full pictures."""
    for name, handler in _HANDLERS.items():
        if hasattr(bpy.app.handlers, name):
            getattr(bpy.app.handlers, name).remove(handler)
    settle(Use.SAVING)
