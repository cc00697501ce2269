# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply Plate: behind the camera, in the render through the compositor, and out of it again."""

import bpy
import harness

harness.install()
api = harness.module("api")
plate = harness.module("scene.plate")
compat = harness.module("scene.compat")
scene = bpy.context.scene
job = api.generate(prompt="skyline", kind="plate", width=1024, height=512, seed=1)
assert job.wait(60) is api.JobState.DONE, job.error
harness.module("engine.link").link.run_callbacks()

camera = scene.camera
scene.camera = None
message = harness.error_of(lambda: bpy.ops.syncscape.apply_plate())
assert "no camera" in message, message
try:
    api.apply_plate(job)
    raise AssertionError("there is no camera")
except api.SceneFailed as error:
    failure = error.failure
assert "no camera" in failure.message, failure
assert "Add one" in failure.hint, failure
scene.camera = camera

assert bpy.ops.syncscape.apply_plate() == {"FINISHED"}
assert camera.data.show_background_images
(background,) = camera.data.background_images
assert background.frame_method == "CROP"
assert background.image.colorspace_settings.name == "sRGB"
assert not plate.is_rendered(scene)

film = scene.render.film_transparent
assert bpy.ops.syncscape.apply_plate(render=True) == {"FINISHED"}
assert len(camera.data.background_images) == 1, "the plate before is replaced"
assert plate.is_rendered(scene)
assert scene.render.film_transparent
nodes = len(compat.compositor_tree(scene).nodes)
assert bpy.ops.syncscape.apply_plate(render=True) == {"FINISHED"}
assert len(compat.compositor_tree(scene).nodes) == nodes, "no nodes twice"

for item in list(bpy.data.objects):
    if item != camera:
        bpy.data.objects.remove(item)
scene.render.engine = "CYCLES"
scene.cycles.samples = 1
scene.cycles.use_denoising = False
scene.view_settings.view_transform = "Standard"
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 128, 64, 100
scene.render.image_settings.file_format = "PNG"
scene.render.filepath = str(harness.HOME / "frame.png")
bpy.ops.render.render(write_still=True)
seen = bpy.data.images.load(scene.render.filepath)
assert tuple(seen.size) == (128, 64)
pixels = list(seen.pixels)
row = [pixels[(32 * 128 + x) * 4] for x in (2, 64, 125)]
assert row[0] < 0.1 < 0.4 < row[1] < 0.6 < 0.9 < row[2], row  # the plate's red grows from left to right

assert bpy.ops.syncscape.apply_plate(render=False) == {"FINISHED"}
assert not plate.is_rendered(scene)
assert scene.render.film_transparent == film, "the film is as it was"
output = compat.compositor_output(compat.compositor_tree(scene))
assert output.links[0].from_node.bl_idname in ("CompositorNodeRLayers", "NodeReroute")
harness.tell(row=row)
harness.leave()
