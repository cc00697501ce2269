# SPDX-License-Identifier: GPL-3.0-or-later
"""Ground from World: a disc with the panorama projected onto it, on which objects stand and throw shadows.

Seen from the camera height above the disc's middle every point of the ground has the colour that the World's
picture has there. Its material is diffuse, with the albedo that makes the World's own light give just this
colour, ``ρ = π L / E`` (Lambert), where L is the picture's radiance and E the irradiance of its upper half on
the ground: so the seam to the picture is invisible, and whatever takes light away leaves a shadow, in Cycles
and in EEVEE. The nodes look up directions in the World's frame and follow its rotation by drivers.
"""

from __future__ import annotations

import math

import bpy
import numpy as np

from .sun import LOOK_WIDTH, pixels, reduced
from .sun_lamp import Sky, drive, sky_of

GROUND = "Syncscape Ground"
HEIGHT_NODE, REFLECTION_NODE, LIGHT_NODE = "Camera Height", "Reflection", "Light on the Ground"
DEFAULT_HEIGHT, DEFAULT_RADIUS = 1.6, 30.0
SEGMENTS = 128
FADE_FROM = 0.7
"""From this share of its radius on the disc fades into the picture behind it."""
LEAST_LIGHT = 1e-6


def add(
    scene: bpy.types.Scene, height: float = DEFAULT_HEIGHT, radius: float = DEFAULT_RADIUS
) -> bpy.types.Object:
    """Give the scene a ground from its World's picture, at the height of the 3D cursor; return the disc.

    Args:
        scene: has a World that is lit by one picture.
        height: of the camera that the panorama is seen from, above the ground, in scene units.
        radius: of the disc.

    Raises:
        SceneProblem: the World is not lit by one picture, or it cannot be read.
    """
    sky = sky_of(scene.world)
    light = irradiance_from_above(reduced(pixels(sky.texture.image), LOOK_WIDTH))
    disc = of(scene)
    if disc is None:
        disc = bpy.data.objects.new(GROUND, bpy.data.meshes.new(GROUND))
        disc.location = scene.cursor.location
        scene.collection.objects.link(disc)
    _fill(disc.data, radius)
    material = bpy.data.materials.new(GROUND)
    _add_nodes(material, scene.world, sky, light, height, radius)
    old = list(disc.data.materials)
    disc.data.materials.clear()
    disc.data.materials.append(material)
    for left in old:
        if left is not None and not left.users:
            bpy.data.materials.remove(left)
    return disc


def remove(scene: bpy.types.Scene) -> None:
    """Take the ground away again, with its mesh and material."""
    disc = of(scene)
    if disc is None:
        return
    mesh, materials = disc.data, [material for material in disc.data.materials if material]
    bpy.data.objects.remove(disc)
    if not mesh.users:
        bpy.data.meshes.remove(mesh)
    for material in materials:
        if not material.users:
            bpy.data.materials.remove(material)


def of(scene: bpy.types.Scene) -> bpy.types.Object | None:
    """Return the ground of a scene, or None."""
    return next(
        (item for item in scene.objects if item.type == "MESH" and height_socket(item) is not None), None
    )


def height_socket(disc: bpy.types.Object) -> bpy.types.NodeSocket | None:
    """Return the socket with the camera height of a ground, or None for another object."""
    return _value(disc, HEIGHT_NODE)


def reflection_socket(disc: bpy.types.Object) -> bpy.types.NodeSocket | None:
    """Return the socket with the share of mirror reflection of a ground, 0 to 1."""
    return _value(disc, REFLECTION_NODE)


def irradiance_from_above(radiance: np.ndarray) -> np.ndarray:
    """Return the irradiance ``(3,)`` of an equirectangular picture's upper half on level ground.

    Args:
        radiance: ``(H, W, 3)`` linear RGB, the top row first.
    """
    height, width = radiance.shape[:2]
    rows = height // 2
    edges = np.arange(rows + 1) / height * math.pi  # from the zenith
    weight = (np.sin(edges[1:]) ** 2 - np.sin(edges[:-1]) ** 2) / 2.0 * math.tau / width  # ∫ cosθ sinθ dθ dφ
    return np.einsum("h,hwc->c", weight, radiance[:rows].astype(np.float64))


def _value(disc: bpy.types.Object, name: str) -> bpy.types.NodeSocket | None:
    material = disc.active_material
    tree = material.node_tree if material is not None and material.name.startswith(GROUND) else None
    node = tree.nodes.get(name) if tree is not None else None
    return node.outputs[0] if node is not None else None


def _fill(mesh: bpy.types.Mesh, radius: float) -> None:
    angles = [math.tau * number / SEGMENTS for number in range(SEGMENTS)]
    mesh.clear_geometry()
    corners = [(radius * math.cos(angle), radius * math.sin(angle), 0.0) for angle in angles]
    mesh.from_pydata(corners, [], [tuple(range(SEGMENTS))])
    mesh.update()


def _add_nodes(
    material: bpy.types.Material,
    world: bpy.types.World,
    sky: Sky,
    light: np.ndarray,
    height: float,
    radius: float,
) -> None:
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    link = tree.links.new

    def node(kind: str, name: str, column: int, row: int = 0, operation: str = "") -> bpy.types.Node:
        made = tree.nodes.new(kind)
        made.name = made.label = name
        made.location = (220.0 * column - 1400.0, -240.0 * row)
        if operation:
            made.operation = operation
        return made

    # From the camera above the disc's middle to the point of the ground, in the World's frame.
    place = node("ShaderNodeTexCoord", "Place on the Disc", 0)
    offset = node("ShaderNodeVectorTransform", "In the World", 1)
    offset.vector_type, offset.convert_from, offset.convert_to = "VECTOR", "OBJECT", "WORLD"
    camera = node("ShaderNodeValue", HEIGHT_NODE, 0, 1)
    camera.outputs[0].default_value = height
    down = node("ShaderNodeCombineXYZ", "Camera", 1, 1)
    ray = node("ShaderNodeVectorMath", "From the Camera", 2, 0, "SUBTRACT")
    link(place.outputs["Object"], offset.inputs[0])
    link(camera.outputs[0], down.inputs["Z"])
    link(offset.outputs[0], ray.inputs[0])
    link(down.outputs[0], ray.inputs[1])

    picture = node("ShaderNodeTexEnvironment", "Picture", 4)
    picture.image = sky.texture.image
    if sky.mapping is None:
        link(ray.outputs[0], picture.inputs["Vector"])
    else:
        mapping = node("ShaderNodeMapping", "As the World", 3)
        link(ray.outputs[0], mapping.inputs["Vector"])
        link(mapping.outputs[0], picture.inputs["Vector"])
        turn, here = sky.mapping.inputs["Rotation"], mapping.inputs["Rotation"]
        for axis in range(3):
            path = f"{turn.path_from_id('default_value')}[{axis}]"
            drive(here.driver_add("default_value", axis), world, path, "value")

    # The albedo that gives the picture's radiance under the World's light.
    full = node("ShaderNodeCombineXYZ", LIGHT_NODE, 4, 1)
    for socket, value in zip(full.inputs, light, strict=True):
        socket.default_value = max(float(value), LEAST_LIGHT) / math.pi
    albedo = node("ShaderNodeVectorMath", "Albedo", 5, 0, "DIVIDE")
    diffuse = node("ShaderNodeBsdfDiffuse", "Ground", 6)
    link(picture.outputs["Color"], albedo.inputs[0])
    link(full.outputs[0], albedo.inputs[1])
    link(albedo.outputs[0], diffuse.inputs["Color"])

    share = node("ShaderNodeValue", REFLECTION_NODE, 5, 2)
    share.outputs[0].default_value = 0.0
    glossy = node("ShaderNodeBsdfGlossy", "Mirror", 6, 1)
    glossy.inputs["Roughness"].default_value = 0.1
    wet = node("ShaderNodeMixShader", "With Reflection", 7)
    link(share.outputs[0], wet.inputs[0])
    link(diffuse.outputs[0], wet.inputs[1])
    link(glossy.outputs[0], wet.inputs[2])

    distance = node("ShaderNodeVectorMath", "Distance", 2, 3, "LENGTH")
    fade = node("ShaderNodeMapRange", "Fade", 3, 3)
    fade.interpolation_type = "SMOOTHSTEP"
    fade.inputs["From Min"].default_value = FADE_FROM * radius
    fade.inputs["From Max"].default_value = 0.98 * radius
    clear = node("ShaderNodeBsdfTransparent", "Picture Behind", 7, 1)
    edge = node("ShaderNodeMixShader", "Edge", 8)
    output = node("ShaderNodeOutputMaterial", "Output", 9)
    link(place.outputs["Object"], distance.inputs[0])
    link(distance.outputs["Value"], fade.inputs["Value"])
    link(fade.outputs["Result"], edge.inputs[0])
    link(wet.outputs[0], edge.inputs[1])
    link(clear.outputs[0], edge.inputs[2])
    link(edge.outputs[0], output.inputs["Surface"])
