# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply World: its nodes, its direction, its controls, the old World, one undo step."""

import math

import bpy
import harness

harness.install()
api = harness.module("api")
world_module = harness.module("scene.world")
before = bpy.context.scene.world.name
job = api.generate(prompt="north lake", width=512, seed=1)
assert job.wait(60) is api.JobState.DONE, job.error
harness.module("engine.link").link.run_callbacks()

bpy.ops.ed.undo_push(message="before")
assert bpy.ops.syncscape.apply_world("EXEC_DEFAULT", True) == {"FINISHED"}
scene = bpy.context.scene
world = scene.world
assert world.name == "north lake"
nodes = {node.bl_idname: node for node in world.node_tree.nodes}
assert len(nodes) == 5
links = {(link.from_node.bl_idname, link.to_node.bl_idname) for link in world.node_tree.links}
assert links == {
    ("ShaderNodeTexCoord", "ShaderNodeMapping"),
    ("ShaderNodeMapping", "ShaderNodeTexEnvironment"),
    ("ShaderNodeTexEnvironment", "ShaderNodeBackground"),
    ("ShaderNodeBackground", "ShaderNodeOutputWorld"),
}, links
assert bpy.data.worlds[before].use_fake_user
controls = world_module.controls(world)
assert math.isclose(controls.rotation.default_value[2], -math.pi / 2, abs_tol=1e-6)
controls.strength.default_value = 2.0
assert nodes["ShaderNodeBackground"].inputs["Strength"].default_value == 2.0
assert world_module.controls(bpy.data.worlds[before]) is None

assert bpy.ops.ed.undo() == {"FINISHED"}
assert bpy.context.scene.world.name == before, "one undo step takes the World away"
assert "north lake" not in bpy.data.worlds
assert bpy.ops.ed.redo() == {"FINISHED"}
assert bpy.context.scene.world.name == "north lake"

assert bpy.ops.syncscape.apply_world() == {"FINISHED"}
assert bpy.context.scene.world.name == "north lake.001", "every time a new World"
world = bpy.context.scene.world

# The camera looks along +Y: it must see the centre of the picture, where red is 0.5.
scene = bpy.context.scene
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
scene.collection.objects.link(camera)
camera.rotation_euler = (math.pi / 2, 0, 0)
camera.data.angle = math.radians(10)
scene.camera = camera
scene.render.engine = "CYCLES"
scene.cycles.samples = 1
scene.cycles.use_denoising = False
scene.render.resolution_x = scene.render.resolution_y = 16
scene.render.image_settings.file_format = "OPEN_EXR"
scene.render.image_settings.color_depth = "32"
scene.render.filepath = str(harness.HOME / "view.exr")
bpy.ops.render.render(write_still=True)
seen = bpy.data.images.load(scene.render.filepath)
pixels = list(seen.pixels)
red, green, blue = (sum(pixels[channel::4]) / 256 for channel in range(3))
left, right = pixels[0], pixels[15 * 4]
assert 0.45 < left < right < 0.55, (left, right)  # not the seam, and not mirrored
assert abs(red - 0.5) < 0.03, red
assert abs(green - 0.5) < 0.03, green
assert abs(blue - 200.0) < 1.0, blue  # linear light arrives unchanged, far above white
harness.tell(red=red, green=green, blue=blue)
harness.leave()
