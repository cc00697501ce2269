# SPDX-License-Identifier: GPL-3.0-or-later
"""Install a generated picture as a World: new nodes, new data-block, the old World kept."""

# A World with controls has nodes.
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import bpy

from . import compat, sizes, sun_lamp
from .whole import ensure_whole

MAPPING, BACKGROUND = "Syncscape Mapping", "Syncscape Background"
RESULT_KEY = "syncscape_result"
"""Custom property on Worlds and images: the identifier of the result they show."""
FACING_Y = math.radians(-90.0)
"""Blender puts the centre of the picture at +X; this turn brings it to +Y, before a new camera."""


LINEAR = ("Linear Rec.709", "Linear Rec.709 (sRGB)", "lin_rec709", "Utility - Linear - sRGB", "Linear")
LINEAR += ("scene_linear",)
"""Names of the colour space of a World's picture: the bundled configuration's, those of ACES."""


SUN_THRESHOLD = 10.0
"""EEVEE makes a sun of a World's light above so many times the picture's white."""


class Controls(NamedTuple):
    """The two sockets of an installed World that a user turns."""

    strength: bpy.types.NodeSocket
    rotation: bpy.types.NodeSocket


def load_image(path: Path, result_id: str, *colorspaces: str) -> bpy.types.Image:
    """Load a result's picture with its colour space; raise RuntimeError if it is not whole."""
    ensure_whole(path)
    image = bpy.data.images.load(str(path), check_existing=True)
    compat.set_colorspace(image, *colorspaces)
    image[RESULT_KEY] = result_id
    return image


def apply_world(
    scene: bpy.types.Scene,
    path: Path,
    name: str,
    result_id: str,
    strength: float = 1.0,
    rotation: float = FACING_Y,
    light: Mapping[str, Any] | None = None,
) -> bpy.types.World:
    """Give the scene a new World lit by an equirectangular picture.

    Args:
        scene: the scene; its old World stays in the file (with a fake user).
        path: the picture, linear Rec.709.
        name: name of the World.
        result_id: where it came from, kept as a custom property.
        strength: strength of the light.
        rotation: turn around Z in radians.
        light: what the engine found out about the picture's light (see ``Result.light``).

    Returns:
        The new World.
    """
    image = load_image(path, result_id, *LINEAR)
    world = new_world(name, image, strength, rotation, light)
    if scene.world is not None:
        sun_lamp.put_away(scene)
        scene.world.use_fake_user = True
    scene.world = world
    return world


def new_world(
    name: str,
    image: bpy.types.Image,
    strength: float = 1.0,
    rotation: float = FACING_Y,
    light: Mapping[str, Any] | None = None,
) -> bpy.types.World:
    """Return a new World lit by an equirectangular picture; no scene uses it yet."""
    world = bpy.data.worlds.new(name)
    world[RESULT_KEY] = image.get(RESULT_KEY, "")
    tree = compat.empty_world_tree(world)
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    mapping = tree.nodes.new("ShaderNodeMapping")
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    background = tree.nodes.new("ShaderNodeBackground")
    output = tree.nodes.new("ShaderNodeOutputWorld")
    for column, node in enumerate((coordinates, mapping, texture, background, output)):
        node.location = (250 * column - 750, 300)
    mapping.name = mapping.label = MAPPING
    background.name = background.label = BACKGROUND
    texture.image = image
    mapping.inputs["Rotation"].default_value[2] = rotation
    background.inputs["Strength"].default_value = strength
    tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    tree.links.new(background.outputs["Background"], output.inputs["Surface"])
    compat.sample_picture(world)
    if light:
        world.sun_threshold = _sun_threshold(light) * strength
    return world


def _sun_threshold(light: Mapping[str, Any]) -> float:
    """Return the radiance above which EEVEE makes a sun: far above the picture's white; 0 without a sun.

    Windows and lamps would else get a sun's hard shadows, and a bright exposure would make suns of clouds.
    """
    lights = light.get("lights")
    if not isinstance(lights, list) or not any(item.get("kind") == "sun" for item in lights):
        return 0.0
    exposure = light.get("exposure")
    return SUN_THRESHOLD * 2.0 ** (exposure if isinstance(exposure, (int, float)) else 0.0)


def controls(world: bpy.types.World | None) -> Controls | None:
    """Return strength and rotation of a World that Syncscape made, or None for another."""
    if world is None or world.node_tree is None:
        return None
    mapping = world.node_tree.nodes.get(MAPPING)
    background = world.node_tree.nodes.get(BACKGROUND)
    if mapping is None or background is None:
        return None
    return Controls(background.inputs["Strength"], mapping.inputs["Rotation"])


def picture(world: bpy.types.World | None) -> bpy.types.Image | None:
    """Return the picture of a World that Syncscape made, or None."""
    if world is None or controls(world) is None:
        return None
    texture = sun_lamp.lit_picture(world.node_tree)
    return texture.image if texture is not None else None


def swap_picture(world: bpy.types.World, path: Path, result_id: str) -> None:
    """Let another picture light a World, and be its background where that showed the same; the rest stays.

    Raises SceneProblem or RuntimeError for a picture that cannot be loaded; nothing has changed then.
    """
    before = picture(world)
    image = load_image(path, result_id, *LINEAR)
    shown = {before, sizes.full_of(before)} if before is not None else set()
    for node in world.node_tree.nodes:
        if node.bl_idname == "ShaderNodeTexEnvironment" and node.image in shown:
            node.image = image
    world[RESULT_KEY] = result_id
    if any(sizes.widths(world)):
        sizes.set_widths(world, *sizes.widths(world))
