# SPDX-License-Identifier: GPL-3.0-or-later
"""Background apart from light: the light stays within 0.5 %, the camera sees another; one undo step."""

import math

import bpy
import harness
import numpy as np
from mathutils import Vector
from skies import Stage, add_disc, blue_sky, world_of

harness.install()
world_module, backdrop = harness.module("scene.world"), harness.module("scene.backdrop")
stage = Stage(harness.HOME, samples=64)
scene = bpy.context.scene
picture = blue_sky(512)
add_disc(picture, Vector((0.5, -0.4, 0.6)).normalized(), np.array([3.0, 2.7, 2.2]))
world = world_of(world_module, "day", picture, 1.5, 0.8)


def seen() -> np.ndarray:
    """Return what the camera sees of the World, over the things."""
    stage.camera.rotation_euler = (math.radians(100), 0.0, 0.0)
    scene.render.film_transparent = False
    try:
        return stage.render()
    finally:
        stage.camera.rotation_euler = (math.radians(55), 0.0, 0.0)
        scene.render.film_transparent = True


lit, sky = stage.render(), seen()
nodes = len(world.node_tree.nodes)
assert backdrop.sockets(world) is None
bpy.ops.ed.undo_push(message="before")
assert bpy.ops.syncscape.separate_backdrop("EXEC_DEFAULT", True) == {"FINISHED"}
assert np.abs(seen() / sky - 1.0).max() < 0.01, "apart, and the same at first"

found = backdrop.sockets(world)
found.exposure.default_value = -2.0
assert np.abs(seen() / sky * 4.0 - 1.0).max() < 0.01, "two EV darker"
found.tint.default_value = (0.5, 1.0, 1.0, 1.0)
assert abs(float(np.median(seen()[..., 0] / sky[..., 0])) - 0.125) < 0.002
assert bpy.ops.syncscape.blur_backdrop(degrees=5.0) == {"FINISHED"}
assert math.isclose(backdrop.blur_of(world), 5.0)
blurred = backdrop.picture_of(world)
assert blurred.packed_file is not None, "saved with the file"
assert bpy.ops.syncscape.blur_backdrop(degrees=0.0) == {"FINISHED"}
assert bpy.ops.syncscape.blur_backdrop(degrees=5.0) == {"FINISHED"}
assert backdrop.picture_of(world) == blurred, "made once"
light = stage.render()
off = float(np.abs(light.mean(axis=(0, 1)) / lit.mean(axis=(0, 1)) - 1.0).max())
assert off < 0.005, f"the light changed by {off:.2%}"
found.flat.default_value = 1.0
found.colour.default_value = (0.3, 0.3, 0.3, 1.0)
flat = seen()[:3]
assert np.abs(flat / flat.mean(axis=(0, 1)) - 1.0).max() < 0.01, "one colour"
found.flat.default_value, found.exposure.default_value = 0.0, 0.0
found.tint.default_value = (1.0, 1.0, 1.0, 1.0)
bpy.ops.syncscape.blur_backdrop(degrees=0.0)
found.rotation.default_value[2] = math.pi
assert np.abs(stage.render().mean() / lit.mean() - 1.0) < 0.005, "the light does not turn with it"

# With a Sun lamp: the picture that the camera sees keeps its sun, the light is that of the lamp.
assert bpy.ops.syncscape.sun_lamp() == {"FINISHED"}
assert np.abs(stage.render().mean() / lit.mean() - 1.0) < 0.03
assert bpy.ops.syncscape.join_backdrop() == {"FINISHED"}
assert np.abs(stage.render().mean() / lit.mean() - 1.0) < 0.03
assert bpy.ops.syncscape.separate_backdrop() == {"FINISHED"}
assert bpy.ops.syncscape.sun_to_world() == {"FINISHED"}
assert np.abs(stage.render().mean() / lit.mean() - 1.0) < 0.005
assert world_module.picture(world).name == "day"
assert bpy.ops.syncscape.join_backdrop() == {"FINISHED"}
assert len(world.node_tree.nodes) == nodes
assert np.abs(seen() / sky - 1.0).max() < 0.01

# Another scene's World stays as it is; one undo step; words for what is not understood.
other = bpy.data.scenes.new("Other")
other.world = world
assert bpy.ops.syncscape.separate_backdrop() == {"FINISHED"}
assert scene.world != world
assert not backdrop.is_separate(other.world)
assert "apart from its light already" in harness.error_of(lambda: bpy.ops.syncscape.separate_backdrop())
world_of(world_module, "again", picture)
bpy.ops.ed.undo_push(message="before")
assert bpy.ops.syncscape.separate_backdrop("EXEC_DEFAULT", True) == {"FINISHED"}
assert bpy.ops.ed.undo() == {"FINISHED"}
assert not backdrop.is_separate(bpy.context.scene.world)
assert "not apart" in harness.error_of(lambda: bpy.ops.syncscape.blur_backdrop())
tree = bpy.context.scene.world.node_tree
noise = tree.nodes.new("ShaderNodeTexNoise")
tree.links.new(noise.outputs["Color"], tree.nodes[world_module.BACKGROUND].inputs["Color"])
assert "more than turn one picture" in harness.error_of(lambda: bpy.ops.syncscape.separate_backdrop())
# Worlds of other hands: a muted Mapping turns nothing; two pictures, and a picture that is gone, are told.
made = world_of(world_module, "muted", picture)
made.node_tree.nodes[world_module.MAPPING].mute = True
assert bpy.ops.syncscape.separate_backdrop() == {"FINISHED"}
assert bpy.ops.syncscape.join_backdrop() == {"FINISHED"}
made = world_of(world_module, "two", picture)
tree = made.node_tree
mix = tree.nodes.new("ShaderNodeMixRGB")
for number in (1, 2):
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    texture.image = bpy.data.images["two"]
    tree.links.new(texture.outputs["Color"], mix.inputs[number])
tree.links.new(mix.outputs["Color"], tree.nodes[world_module.BACKGROUND].inputs["Color"])
for name in ("separate_backdrop", "add_ground", "sun_lamp"):
    operator = getattr(bpy.ops.syncscape, name)
    assert "more than turn one picture" in harness.error_of(operator), name
made = world_of(world_module, "gone", picture)
lost = bpy.data.images.load(bpy.context.scene.render.filepath, check_existing=False)
lost.filepath = str(harness.HOME / "nowhere.exr")
next(node for node in made.node_tree.nodes if node.bl_idname == "ShaderNodeTexEnvironment").image = lost
assert "cannot be read" in harness.error_of(lambda: bpy.ops.syncscape.add_ground())
assert "cannot be read" in harness.error_of(lambda: bpy.ops.syncscape.world_size(viewport="1024"))
bpy.context.scene.world = None
assert "has no World" in harness.error_of(lambda: bpy.ops.syncscape.separate_backdrop())
harness.leave()
