# SPDX-License-Identifier: GPL-3.0-or-later
"""World assets: a result as a .blend file of the Syncscape asset library.

One file an asset, so that nothing is rewritten when another is added. Blender's asset browser shows
the library once it is listed in the preferences (``register_library``).
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..sync_engine.host.history import Result
from ..sync_engine.interface.durable import written_beside
from . import compat
from .whole import ensure_whole
from .world import FACING_Y, LINEAR, RESULT_KEY, new_world

LIBRARY_NAME = "Syncscape"
CATALOG_FILE = "blender_assets.cats.txt"
CATALOG_ID = "5c1f8a52-7d0e-4c57-9f2b-0a6f1c3e9d41"
CATALOGS = {
    "f0b7a3de-52c1-4b0e-8a63-9d1f4c7e2b58": "Worlds",  # a catalog without its parent shows as unsaved
    CATALOG_ID: "Worlds/Syncscape",
}
CATALOG_HEADER = """# This is an Asset Catalog Definition file for Blender.
#
# Empty lines and lines starting with `#` will be ignored.
# The first non-ignored line should be the version indicator.
# Other lines are of the format "UUID:catalog/path/for/assets:simple catalog name"

VERSION 1

"""
TEXTURES = "textures"


@dataclass(frozen=True)
class AssetFacts:
    """What the asset browser tells about an asset, besides its picture."""

    name: str
    author: str = ""
    licence: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""


def save_world(
    result: Result,
    folder: Path,
    facts: AssetFacts,
    packed: bool = True,
    strength: float = 1.0,
    rotation: float = FACING_Y,
) -> Path:
    """Write a World asset and return its file; one of the same result is replaced.

    Args:
        result: a finished World.
        folder: the asset library; made if it is not there.
        facts: name, author, licence, tags.
        packed: the picture inside the .blend; otherwise a copy of it beside the .blend, named by a
            relative path, so that the library can be moved as a whole.
        strength, rotation: how the World lights a scene.

    Raises:
        OSError: the folder cannot be written.
        RuntimeError: Blender cannot read the picture or write the file.
    """
    ensure_whole(result.image)
    folder.mkdir(parents=True, exist_ok=True)
    _add_catalog(folder / CATALOG_FILE)
    source = result.image if packed else _copy(result, folder / TEXTURES)
    image = bpy.data.images.load(str(source), check_existing=False)
    world, path = None, folder / f"{result.id}.blend"
    others = {item: item.name for item in bpy.data.worlds if item.name == facts.name}
    try:
        for item in others:  # the asset is to have the name, without a number behind it
            item.name = f".{facts.name}"
        image[RESULT_KEY] = result.id
        compat.set_colorspace(image, *LINEAR)
        if packed:
            image.pack()
        world = new_world(facts.name, image, strength, rotation, result.light)
        _describe(world, facts, result)
        with written_beside(path) as part:
            _write(part, world)
            _verify(part, facts.name, result.image if packed else None)
    finally:
        if world is not None:
            bpy.data.worlds.remove(world)
        bpy.data.images.remove(image)
        for item, name in others.items():
            item.name = name
    return path


def _write(part: Path, world: bpy.types.World) -> None:
    bpy.data.libraries.write(str(part), {world}, path_remap="RELATIVE", fake_user=True, compress=True)


def _verify(part: Path, name: str, packed: Path | None) -> None:
    """Read a written asset back; OSError if Blender cannot: on a full disk its writer says nothing."""
    worlds, images, libraries = set(bpy.data.worlds), set(bpy.data.images), set(bpy.data.libraries)
    problem = ""
    try:
        with bpy.data.libraries.load(str(part), assets_only=True) as (there, here):
            here.worlds = [item for item in there.worlds if item == name]
        if len(here.worlds) != 1 or here.worlds[0] is None:
            problem = "the World is not in it"
        elif packed is not None:
            made = [image for image in bpy.data.images if image not in images and image.packed_file]
            if [image.packed_file.size for image in made] != [packed.stat().st_size]:
                problem = "the picture is not whole in it"
    except RuntimeError as error:  # OSError passes as it is
        problem = str(error).strip()
    finally:
        for world in set(bpy.data.worlds) - worlds:
            bpy.data.worlds.remove(world)
        for image in set(bpy.data.images) - images:
            bpy.data.images.remove(image)
        for library in set(bpy.data.libraries) - libraries:
            bpy.data.libraries.remove(library)
    if problem:
        raise OSError(f"The asset was not written whole: {problem}")


def _describe(world: bpy.types.World, facts: AssetFacts, result: Result) -> None:
    world.asset_mark()
    about = world.asset_data
    about.author, about.license, about.description = facts.author, facts.licence, facts.description
    about.catalog_id = CATALOG_ID
    for tag in facts.tags:
        about.tags.new(tag, skip_if_exists=True)
    with bpy.context.temp_override(id=world):
        bpy.ops.ed.lib_id_load_custom_preview(filepath=str(result.preview))


def _copy(result: Result, textures: Path) -> Path:
    """Copy the picture into the asset library, whole or not at all."""
    textures.mkdir(exist_ok=True)
    target = textures / f"{result.id}{result.image.suffix}"
    with written_beside(target) as part:
        shutil.copyfile(result.image, part)
        ensure_whole(part)
    return target


def _add_catalog(path: Path) -> None:
    """Add our catalogs to the library's list, beside those that the user made."""
    # Whatever encoding the user's names are in: their bytes stay as they are.
    text = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else CATALOG_HEADER
    lines = [
        f"{catalog}:{place}:{place.replace('/', '-')}"
        for catalog, place in CATALOGS.items()
        if catalog not in text and f":{place}:" not in text
    ]
    if not lines:
        return
    text = "\n".join([text.rstrip("\n"), *lines, ""])
    with written_beside(path) as part:
        part.write_bytes(text.encode("utf-8", "surrogateescape"))


def is_registered(folder: Path) -> bool:
    """Tell whether Blender's preferences list the folder as an asset library."""
    wanted = os.path.normcase(folder.absolute())
    listed = bpy.context.preferences.filepaths.asset_libraries
    return any(os.path.normcase(Path(bpy.path.abspath(item.path)).absolute()) == wanted for item in listed)


def register_library(folder: Path) -> None:
    """List the folder in Blender's preferences, so that every asset browser shows it."""
    if is_registered(folder):
        return
    bpy.context.preferences.filepaths.asset_libraries.new(name=LIBRARY_NAME, directory=str(folder))
    bpy.context.preferences.is_dirty = True  # saved with the preferences, as the user has set


def refresh_browsers() -> None:
    """Have open asset browsers look again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.ui_type != "ASSETS":
                continue
            with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
                if bpy.ops.asset.library_refresh.poll():
                    bpy.ops.asset.library_refresh()
