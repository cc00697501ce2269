# SPDX-License-Identifier: GPL-3.0-or-later
"""What the camera sees of a World, apart from its light: blurred, dimmed, tinted, turned, another picture.

A Mix node before the World's Background asks *Is Camera Ray*: light and reflections get the picture, the
camera gets a second path of nodes whose sockets the panel shows. Everything is in the World's nodes, so that
it is undone, copied and appended with the World and can be read there.
"""

# Nodes and images that were found to be there are not asked for again.
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import math
from typing import NamedTuple, TypeGuard

import bpy
import numpy as np

from .copies import packed_copy
from .sun import pixels, reduced
from .sun_lamp import BACKDROP, CAMERA_MIX, color_socket, sky_of

MOST_BLUR = 45.0
BLUR_KEY, BLUR_OF_KEY = "syncscape_blur_degrees", "syncscape_blur_of"
"""Custom properties of a blurred copy: its blur, and the name of the image that it was made of."""
PIXELS_A_SIGMA = 3.0
"""A blurred copy has so many pixels for the standard deviation of its blur: more would show nothing."""
LARGEST_WIDTH = 2048


class Sockets(NamedTuple):
    """What the panel shows of a backdrop.

    Attributes:
        exposure: EV, the ``default_value`` of a Value node's output.
        tint: the colour that the picture is multiplied by.
        rotation: turn against the World's own, radians around Z at index 2.
        flat: 0 shows the picture, 1 the flat colour.
        colour: the flat colour.
    """

    exposure: bpy.types.NodeSocket
    tint: bpy.types.NodeSocket
    rotation: bpy.types.NodeSocket
    flat: bpy.types.NodeSocket
    colour: bpy.types.NodeSocket


def separate(scene: bpy.types.Scene) -> bpy.types.World:
    """Give the scene's World a backdrop of its own, the same as its light at first; return the World.

    A World that another scene uses too, or that is linked from a library, stays as it is, and this scene
    gets a copy.

    Raises:
        SceneProblem: the World is not lit by one picture.
    """
    sky_of(scene.world)
    world = scene.world
    if world.library or any(other is not scene and other.world is world for other in bpy.data.scenes):
        world = scene.world = world.copy()
    if not is_separate(world):
        _add_nodes(world)
    return world


def join(world: bpy.types.World) -> None:
    """Undo ``separate`` at any later time: the camera sees again what lights the scene."""
    sky, tree = sky_of(world), world.node_tree
    if not is_separate(world):
        return
    source = sky.light.links[0].from_socket
    target = sky.background.inputs["Color"]
    tree.links.new(source, target)
    for node in [node for node in tree.nodes if node.name.startswith(BACKDROP)]:
        tree.nodes.remove(node)


def is_separate(world: bpy.types.World | None) -> TypeGuard[bpy.types.World]:
    """Tell whether a World has a backdrop of its own."""
    return world is not None and world.node_tree is not None and CAMERA_MIX in world.node_tree.nodes


def sockets(world: bpy.types.World | None) -> Sockets | None:
    """Return what can be set of a World's backdrop; None where it has none, or its nodes were taken apart."""
    if not is_separate(world):
        return None
    nodes = world.node_tree.nodes
    found = [nodes.get(BACKDROP + name) for name in ("Exposure", "Tint", "Mapping", "Flat")]
    if None in found:
        return None
    exposure, tint, mapping, flat = found
    return Sockets(
        exposure.outputs[0],
        color_socket(tint, "B"),
        mapping.inputs["Rotation"],
        flat.inputs[0],
        color_socket(flat, "B"),
    )


def picture_of(world: bpy.types.World) -> bpy.types.Image | None:
    """Return the picture that the camera sees, or None without a backdrop."""
    node = world.node_tree.nodes.get(BACKDROP + "Picture") if is_separate(world) else None
    return node.image if node is not None else None


def show(world: bpy.types.World, image: bpy.types.Image) -> None:
    """Let the camera see another picture; the light stays."""
    world.node_tree.nodes[BACKDROP + "Picture"].image = image


def blur_of(world: bpy.types.World) -> float:
    """Return by how many degrees the camera's picture is blurred."""
    image = picture_of(world)
    return float(image.get(BLUR_KEY, 0.0)) if image is not None else 0.0


def blur(world: bpy.types.World, degrees: float) -> None:
    """Blur what the camera sees; 0 shows the picture as it is.

    The blurred copy is small, packed into the file, and made once for each amount.

    Args:
        world: has a backdrop (``separate``).
        degrees: standard deviation of the blur on the sphere, 0 to 45.

    Raises:
        SceneProblem: the picture's file cannot be read.
    """
    shown = picture_of(world)
    assert shown is not None, "it has a backdrop"
    sharp = bpy.data.images.get(shown.get(BLUR_OF_KEY, "")) or shown
    if degrees <= 0.0:
        show(world, sharp)
        return
    for image in bpy.data.images:
        same = math.isclose(image.get(BLUR_KEY, 0.0), degrees, rel_tol=1e-6)
        if same and image.get(BLUR_OF_KEY) == sharp.name:
            show(world, image)
            return
    small = reduced(pixels(sharp), width_for(degrees))
    show(world, _packed(f"{sharp.name} blurred {degrees:.3g}°", blurred(small, degrees), sharp, degrees))


def width_for(degrees: float) -> int:
    """Return how many pixels wide a copy is blurred."""
    return int(min(LARGEST_WIDTH, max(64.0, PIXELS_A_SIGMA * 360.0 / degrees)))


def blurred(radiance: np.ndarray, degrees: float) -> np.ndarray:
    """Blur an equirectangular picture on the sphere, evenly in all directions.

    Two passes of a Gaussian: along the meridians, over the poles and down the other side, then along the
    rows, whose pixels span a smaller angle the nearer they are to a pole.

    Args:
        radiance: ``(H, W, 3)`` linear light, W even.
        degrees: standard deviation.
    """
    height, width = radiance.shape[:2]
    half = width // 2
    whole = np.concatenate([radiance, np.roll(radiance, half, axis=1)[::-1]])  # a meridian and its other half
    frequency = np.fft.rfftfreq(2 * height)
    sigma = degrees / 180.0 * height
    spectrum = np.fft.rfft(whole, axis=0) * np.exp(-2.0 * (math.pi * sigma * frequency[:, None, None]) ** 2)
    columns = np.fft.irfft(spectrum, n=2 * height, axis=0)[:height]
    elevation = (0.5 - (np.arange(height) + 0.5) / height) * math.pi
    sigmas = degrees / 360.0 * width / np.maximum(np.cos(elevation), 1e-3)
    along = np.fft.rfftfreq(width)
    kernel = np.exp(-2.0 * (math.pi * sigmas[:, None] * along[None]) ** 2)
    spectrum = np.fft.rfft(columns, axis=1) * kernel[..., None]
    return np.maximum(np.fft.irfft(spectrum, n=width, axis=1), 0.0).astype(np.float32)


def _packed(name: str, radiance: np.ndarray, sharp: bpy.types.Image, degrees: float) -> bpy.types.Image:
    image = packed_copy(name, radiance, sharp)
    image[BLUR_KEY], image[BLUR_OF_KEY] = degrees, sharp.name
    return image


def _add_nodes(world: bpy.types.World) -> None:
    tree, sky = world.node_tree, sky_of(world)
    left, top = sky.texture.location.x, sky.texture.location.y + 420.0

    def node(kind: str, name: str, column: int, row: int = 0) -> bpy.types.Node:
        made = tree.nodes.new(kind)
        made.name = made.label = BACKDROP + name
        made.location = (left + 220.0 * column, top + 220.0 * row)
        return made

    def mix(name: str, column: int, row: int = 0) -> bpy.types.Node:
        made = node("ShaderNodeMix", name, column, row)
        made.data_type = "RGBA"
        return made

    mapping = node("ShaderNodeMapping", "Mapping", -1)
    picture = node("ShaderNodeTexEnvironment", "Picture", 0)
    flat, tint = mix("Flat", 1), mix("Tint", 2)
    exposure = node("ShaderNodeValue", "Exposure", 1, 1)
    power = node("ShaderNodeMath", "Two to the Exposure", 2, 1)
    bright = node("ShaderNodeVectorMath", "Brightness", 3)
    path = node("ShaderNodeLightPath", "Light Path", 3, 1)
    choose = mix("Camera or Light", 4)
    picture.image = sky.texture.image
    tint.blend_type, tint.inputs[0].default_value = "MULTIPLY", 1.0
    color_socket(tint, "B").default_value = (1.0, 1.0, 1.0, 1.0)
    flat.inputs[0].default_value = 0.0
    color_socket(flat, "B").default_value = (0.05, 0.05, 0.05, 1.0)
    exposure.outputs[0].default_value = 0.0
    power.operation, power.inputs[0].default_value = "POWER", 2.0
    bright.operation = "SCALE"

    link = tree.links.new
    vector = sky.texture.inputs["Vector"]
    if vector.is_linked:
        link(vector.links[0].from_socket, mapping.inputs["Vector"])
    else:
        coordinates = node("ShaderNodeTexCoord", "Coordinates", -2)
        link(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    lit = sky.light.links[0].from_socket
    link(mapping.outputs["Vector"], picture.inputs["Vector"])
    link(picture.outputs["Color"], color_socket(flat, "A"))
    link(color_socket(flat, "Result"), color_socket(tint, "A"))
    link(color_socket(tint, "Result"), bright.inputs[0])
    link(exposure.outputs[0], power.inputs[1])
    link(power.outputs[0], bright.inputs["Scale"])
    link(path.outputs["Is Camera Ray"], choose.inputs[0])
    link(lit, color_socket(choose, "A"))
    link(bright.outputs["Vector"], color_socket(choose, "B"))
    link(color_socket(choose, "Result"), sky.background.inputs["Color"])
