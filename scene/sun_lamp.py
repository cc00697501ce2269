# SPDX-License-Identifier: GPL-3.0-or-later
"""A Sun lamp in place of the sun in a World's picture: the lamp, and the nodes that take the sun away.

The picture stays as it is. Two of the World's nodes darken it around the sun to the sky beside it; they
look at directions of the picture, so that they follow the World's rotation. The lamp follows it, and the
World's strength, by drivers: Blender's own, that need neither this extension nor the permission to run
scripts, and are right after undo and in animations too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import bpy
from mathutils import Vector

from .problems import SceneProblem, Trouble
from .sun import Sun, find_sun, pixels

LAMP = "Syncscape Sun"
LAMP_KEY = "syncscape_sun"
"""Custom property of a World: its lamp."""
PREFIX = "Syncscape Sun "
"""The names of the nodes begin with this."""
BACKDROP = "Syncscape Backdrop "
CAMERA_MIX = BACKDROP + "Camera or Light"
"""The nodes of what the camera sees (``scene/backdrop.py``), and the one that chooses between both."""
DISTANCE = 10.0
"""A new lamp stands so far above the scene's origin; only its direction counts."""


class Sky(NamedTuple):
    """The nodes of a World that is lit by one picture.

    Attributes:
        texture, background: where the picture is read, and what shines.
        mapping: turns the picture; None where nothing does.
        light: the socket that takes the colour that lights the scene: the background's, or that of the
            mix with what the camera sees (``scene/backdrop.py``).
    """

    texture: bpy.types.Node
    background: bpy.types.Node
    mapping: bpy.types.Node | None
    light: bpy.types.NodeSocket


def replace_sun(scene: bpy.types.Scene) -> bpy.types.Object:
    """Take the sun out of the light of the scene's World and return the Sun lamp that stands for it.

    A World whose sun is a lamp already gets no second one: its lamp is set again. A World that another
    scene uses too, or that is linked from a library, stays as it is, and this scene gets a copy.

    Raises:
        SceneProblem: the World is not lit by one picture, or there is no sun in it, or it cannot be read.
    """
    sky = sky_of(scene.world)
    sun = find_sun(pixels(sky.texture.image))
    if sun is None:
        raise SceneProblem(Trouble.NO_SUN)
    world = scene.world
    if world.library or any(other is not scene and other.world is world for other in bpy.data.scenes):
        world = scene.world = world.copy()
        if LAMP_KEY in world:  # the lamp of the other scene
            del world[LAMP_KEY]
        sky = sky_of(world)
    _remove_nodes(world)
    _add_nodes(world.node_tree, sky, sun)
    lamp = lamp_of(world)
    if lamp is None:
        lamp = bpy.data.objects.new(LAMP, bpy.data.lights.new(LAMP, "SUN"))
        lamp.location.z = DISTANCE
        world[LAMP_KEY] = lamp
    if scene.objects.get(lamp.name) != lamp:
        scene.collection.objects.link(lamp)
    _set_lamp(lamp, sun)
    _follow(lamp, world, sky)
    return lamp


def give_back(scene: bpy.types.Scene) -> None:
    """Undo ``replace_sun`` at any later time: remove lamp and nodes."""
    world = scene.world
    lamp = lamp_of(world)
    _remove_nodes(world)
    if lamp is not None:
        bpy.data.lights.remove(lamp.data)  # its object goes with it
    if LAMP_KEY in world:
        del world[LAMP_KEY]


def put_away(scene: bpy.types.Scene) -> None:
    """Take the lamp of the scene's World out of the scene, before another World lights it.

    The World keeps its lamp: ``replace_sun`` brings it back.
    """
    lamp = lamp_of(scene.world) if scene.world is not None else None
    if lamp is not None:
        for collection in (scene.collection, *scene.collection.children_recursive):
            if lamp.name in collection.objects:
                collection.objects.unlink(lamp)


def is_replaced(world: bpy.types.World | None) -> bool:
    """Tell whether the sun of a World's picture is taken out of its light."""
    return world is not None and world.node_tree is not None and bool(_nodes(world.node_tree))


def lamp_of(world: bpy.types.World) -> bpy.types.Object | None:
    """Return the lamp that stands for the sun of a World, or None."""
    lamp = world.get(LAMP_KEY)
    return lamp if isinstance(lamp, bpy.types.Object) and lamp.type == "LIGHT" else None


def sky_of(world: bpy.types.World | None) -> Sky:
    """Return the nodes of a World; SceneProblem if it is lit by anything but one turned picture."""
    if world is None or world.node_tree is None:
        raise SceneProblem(Trouble.NO_PICTURE)
    output = world.node_tree.get_output_node("ALL") or world.node_tree.get_output_node("CYCLES")
    background = _before(output.inputs["Surface"]) if output is not None else None
    if background is not None and background.bl_idname == "ShaderNodeBackground":
        light = background.inputs["Color"]
        texture = _before(light)
        if texture is not None and texture.name == CAMERA_MIX:
            light = color_socket(texture, "A")
            texture = _before(light)
        if texture is not None and texture.name.startswith(PREFIX):
            texture = lit_picture(world.node_tree)
        fixed = not background.inputs["Strength"].is_linked
        if texture is not None and fixed and _is_panorama(texture):
            mapping = _before(texture.inputs["Vector"])
            if mapping is None or mapping.bl_idname == "ShaderNodeTexCoord" or mapping.mute:
                return Sky(texture, background, None, light)
            if _only_turns(mapping):
                return Sky(texture, background, mapping, light)
    raise SceneProblem(Trouble.OTHER_NODES)


def lit_picture(tree: bpy.types.NodeTree) -> bpy.types.Node | None:
    """Return the node that reads the picture that lights a World, not the one that the camera sees."""
    for node in tree.nodes:
        if node.bl_idname == "ShaderNodeTexEnvironment" and not node.name.startswith(BACKDROP):
            return node
    return None


def color_socket(mix: bpy.types.Node, name: str) -> bpy.types.NodeSocket:
    """Return the colour socket ``A``, ``B`` or ``Result`` of a Mix node, which has several of each name."""
    sockets = mix.outputs if name == "Result" else mix.inputs
    return next(socket for socket in sockets if socket.name == name and socket.type == "RGBA")


def _before(socket: bpy.types.NodeSocket) -> bpy.types.Node | None:
    return socket.links[0].from_node if socket.is_linked else None


def _is_panorama(texture: bpy.types.Node) -> bool:
    return (
        texture.bl_idname == "ShaderNodeTexEnvironment"
        and texture.image is not None
        and texture.projection == "EQUIRECTANGULAR"
    )


def _only_turns(mapping: bpy.types.Node) -> bool:
    if mapping.bl_idname != "ShaderNodeMapping" or mapping.vector_type != "POINT":
        return False
    place, size = mapping.inputs["Location"], mapping.inputs["Scale"]
    linked = any(mapping.inputs[name].is_linked for name in ("Location", "Rotation", "Scale"))
    return not linked and not any(place.default_value) and tuple(size.default_value) == (1.0, 1.0, 1.0)


def _add_nodes(tree: bpy.types.NodeTree, sky: Sky, sun: Sun) -> None:
    """Insert: within the cone around the sun at most the colour around it, elsewhere the picture."""

    def node(kind: str, name: str, x: float, operation: str = "") -> bpy.types.Node:
        made = tree.nodes.new(kind)
        made.name = made.label = PREFIX + name
        made.location = (sky.texture.location.x + x, sky.texture.location.y - 300.0)
        if operation:
            made.operation = operation
        return made

    if sky.texture.inputs["Vector"].is_linked:
        vector = sky.texture.inputs["Vector"].links[0].from_socket
    else:
        vector = node("ShaderNodeTexCoord", "Coordinates", -500.0).outputs["Generated"]
    toward = node("ShaderNodeVectorMath", "Direction", -300.0, "DOT_PRODUCT")
    inside = node("ShaderNodeMath", "Cone", -100.0, "GREATER_THAN")
    darker = node("ShaderNodeVectorMath", "Limit", 100.0, "MINIMUM")
    mix = node("ShaderNodeMix", "Mix", 300.0)
    mix.data_type = "VECTOR"
    toward.inputs[1].default_value = sun.direction
    inside.inputs[1].default_value = math.cos(sun.cone)
    darker.inputs[1].default_value = sun.around
    without, within = (s for s in mix.inputs if s.type == "VECTOR" and s.name in ("A", "B"))
    colour, target = sky.texture.outputs["Color"], sky.light
    tree.links.new(vector, toward.inputs[0])
    tree.links.new(toward.outputs["Value"], inside.inputs[0])
    tree.links.new(colour, darker.inputs[0])
    tree.links.new(inside.outputs["Value"], mix.inputs[0])
    tree.links.new(colour, without)
    tree.links.new(darker.outputs["Vector"], within)
    tree.links.new(next(s for s in mix.outputs if s.type == "VECTOR"), target)


def _nodes(tree: bpy.types.NodeTree) -> list[bpy.types.Node]:
    return [node for node in tree.nodes if node.name.startswith(PREFIX)]


def _remove_nodes(world: bpy.types.World) -> None:
    if not is_replaced(world):
        return
    sky = sky_of(world)
    world.node_tree.links.new(sky.texture.outputs["Color"], sky.light)
    for node in _nodes(world.node_tree):
        world.node_tree.nodes.remove(node)


def _set_lamp(lamp: bpy.types.Object, sun: Sun) -> None:
    """Give the lamp direction, width, colour and strength (irradiance in W/m²) of the picture's sun."""
    strength = float(sun.irradiance.max())
    lamp.data.angle = min(sun.diameter, math.pi)
    lamp.data.color = [float(value) for value in sun.irradiance / strength]
    lamp.data.energy = strength
    lamp.rotation_mode = "ZYX"
    lamp.rotation_euler = Vector(sun.direction).to_track_quat("Z", "Y").to_euler("ZYX")  # it shines along -Z


def _follow(lamp: bpy.types.Object, world: bpy.types.World, sky: Sky) -> None:
    """Let the lamp turn with the World's picture and be as strong as its Background.

    A Mapping looks a direction up at Rz·Ry·Rx of it, so the picture is turned by the inverse,
    Rx(-x)·Ry(-y)·Rz(-z): what a delta rotation of the negative angles is in the order ZYX.
    """
    lamp.driver_remove("delta_rotation_euler")
    lamp.data.driver_remove("energy")
    lamp.delta_rotation_euler = (0.0, 0.0, 0.0)
    if sky.mapping is not None:
        turn = sky.mapping.inputs["Rotation"].path_from_id("default_value")
        for axis in range(3):
            drive(lamp.driver_add("delta_rotation_euler", axis), world, f"{turn}[{axis}]", "-value")
    strength = sky.background.inputs["Strength"].path_from_id("default_value")
    drive(lamp.data.driver_add("energy"), world, strength, f"value * {lamp.data.energy!r}")


def drive(curve: bpy.types.FCurve, world: bpy.types.World, path: str, expression: str) -> None:
    """Set a driver on a value of the World's nodes; simple arithmetic runs without Python."""
    variable = curve.driver.variables.new()
    variable.name = "value"
    target = variable.targets[0]
    target.id_type, target.id, target.data_path = "WORLD", world, f"node_tree.{path}"
    curve.driver.type, curve.driver.expression = "SCRIPTED", expression
