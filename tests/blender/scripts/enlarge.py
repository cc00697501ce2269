# SPDX-License-Identifier: GPL-3.0-or-later
"""Make Larger from the history and of any picture; the World that showed it gets it; stills of views."""

import math
from pathlib import Path

import bpy
import harness
import numpy as np

harness.install()
api = harness.module("api")
link, look = harness.module("engine.link").link, harness.module("operators.look")
world_module, sizes = harness.module("scene.world"), harness.module("scene.sizes")
perspective = harness.module("scene.perspective")
assert "generate one" in harness.error_of(lambda: bpy.ops.syncscape.enlarge(width="2048"))

job = api.generate(prompt="valley", width=1024, seed=5)
world = api.apply_world(job)
world_module.controls(world).rotation.default_value[2] = 1.0
assert bpy.ops.syncscape.world_size(viewport="1024", render="0") == {"FINISHED"}
assert bpy.ops.syncscape.enlarge(result=job.id, width="2048") == {"FINISHED"}
larger = link.job
assert (larger.spec.enlarge, larger.spec.width) == (str(job.result.image), 2048)
assert (larger.spec.prompt, larger.spec.seed) == ("valley", 5)
harness.tick_until(lambda: larger.state.finished)
link.run_callbacks()
assert bpy.context.scene.world == world, "the same World, with its settings"
assert sizes.full_of(world_module.picture(world)).size[0] == 2048
assert world_module.picture(world).size[0] == 1024, "and the size that was chosen for the viewport"
assert world_module.controls(world).rotation.default_value[2] == 1.0
assert world[world_module.RESULT_KEY] == larger.id
assert {result.id for result in api.history()} == {job.id, larger.id}, "beside the original"
assert "2048 pixels wide already" in harness.error_of(
    lambda: bpy.ops.syncscape.enlarge(result=larger.id, width="2048")
)
assert bpy.ops.syncscape.swap_picture(result=job.id) == {"FINISHED"}
assert world_module.picture(world).size[0] == 1024
assert bpy.ops.syncscape.reuse_settings(result=larger.id) == {"FINISHED"}
assert harness.settings().to_spec().enlarge == "", "a new picture, not a larger old one"
bpy.context.scene.world = bpy.data.worlds.new("another")
assert "was not made by Syncscape" in harness.error_of(lambda: bpy.ops.syncscape.swap_picture(result=job.id))

# Any picture: with what it says of itself, else with the panel's prompt.
assert bpy.ops.syncscape.enlarge_file(filepath=str(job.result.folder / "spec.json"), width="2048") == {
    "FINISHED"
}
link.job.cancel()
link.run_callbacks()
foreign = bpy.data.images.new("foreign", 256, 128)
foreign.filepath_raw, foreign.file_format = str(harness.HOME / "foreign.png"), "PNG"
foreign.save()
harness.settings(prompt="a harbour")
assert bpy.ops.syncscape.enlarge_file(filepath=foreign.filepath_raw, width="4096") == {"FINISHED"}
assert (link.job.spec.prompt, Path(link.job.spec.enlarge).name) == ("a harbour", "foreign.png")
link.job.cancel()
link.run_callbacks()
harness.settings(prompt="")
assert "empty" in harness.error_of(
    lambda: bpy.ops.syncscape.enlarge_file(filepath=foreign.filepath_raw, width="4096")
)
made = api.enlarge(job, 2048)
assert made.spec.enlarge == str(job.result.image)
made.cancel()
assert api.enlarge(foreign.filepath_raw, 2048, prompt="a quay", seed=9).spec.seed == 9
assert "empty" in str(harness.raised(lambda: api.enlarge(foreign.filepath_raw, 2048)))
link.job.cancel()
link.run_callbacks()

# A still of a view: a plate of the history that shows what lies there.
plate = api.still(job, azimuth=90.0, elevation=30.0, fov=60.0)
assert (plate.kind, plate.spec.width, plate.spec.pixel_height) == ("plate", 2048, 1152)
assert plate.id in {result.id for result in api.history("plate")}
assert bpy.ops.syncscape.save_still(result=job.id, azimuth=10.0, exposure=-2.0) == {"FINISHED"}
height = 64
v, u = (np.arange(height) + 0.5) / height, (np.arange(2 * height) + 0.5) / (2 * height)
elevation, azimuth = (0.5 - v[:, None]) * math.pi, (0.5 - u[None]) * math.tau
parts = (np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation))
rays = np.stack(np.broadcast_arrays(*parts), axis=-1).astype(np.float32)
gaze = perspective.Gaze(130.0, -25.0, 70.0)
seen = perspective.still(rays, gaze, 32, 18)
assert np.abs(seen[8:10, 15:17].mean(axis=(0, 1)) - gaze.axes()[0]).max() < 0.01, "the middle looks there"
right = seen[9, 31] / np.linalg.norm(seen[9, 31])
assert abs(math.degrees(math.acos(float(right @ gaze.axes()[0]))) - 34) < 1.5, "the edge half the field away"
assert float(right @ gaze.axes()[1]) > 0.5, "to the right"
assert float(seen[0, 16] @ gaze.axes()[2]) > 0.2, "up is up"
seam = perspective.still(rays, perspective.Gaze(180.0, 0.0, 60.0), 33, 17)
assert np.abs(np.diff(seam[8], axis=0)).max() < 0.08, "no seam behind"
turned = look.turned(perspective.Gaze(0.0, 0.0, 90.0), 0.5, 0.25)
assert (round(turned.azimuth), round(turned.elevation, 1)) == (45, -22.5), "the picture follows the mouse"
assert look.zoomed(turned, 100.0).fov == perspective.MOST_FOV
assert "3D view" in harness.error_of(lambda: bpy.ops.syncscape.look("INVOKE_DEFAULT", result=job.id))
assert "3D view" in harness.error_of(lambda: bpy.ops.syncscape.show_in_viewport())
assert "cannot be exported" in harness.error_of(  # this engine exports nothing
    lambda: bpy.ops.syncscape.export(result=job.id, form="hdr", filepath=str(harness.HOME / "a.hdr"))
)
harness.leave()
