# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotate to camera, and the sun behind: a camera renders what should now be before or behind it."""

import math

import bpy
import harness
import numpy as np

harness.install()
world_module = harness.module("scene.world")
scene = bpy.context.scene
assert "not made by Syncscape" in harness.error_of(lambda: bpy.ops.syncscape.face_camera())

WIDTH = 512
SUN_U, SUN_ROW = 0.98, 60  # across the seam, 48° above the horizon
pixels = np.zeros((WIDTH // 2, WIDTH, 4), dtype=np.float32)
pixels[..., 3] = 1.0
pixels[:, WIDTH // 2 - 8 : WIDTH // 2 + 8, 1] = 1.0  # the middle of the picture is green
pixels[: WIDTH // 4, :, 2] = 0.5  # the upper half is blue
for column in range(-12, 13):
    pixels[SUN_ROW - 12 : SUN_ROW + 12, int(SUN_U * WIDTH + column) % WIDTH, 0] = 500.0
pixels[WIDTH // 4 + 20 : WIDTH // 4 + 50, 100:200, :3] = 600.0  # a bright lake below the horizon is no sun
image = bpy.data.images.new("sky", WIDTH, WIDTH // 2, float_buffer=True)
image.colorspace_settings.name = "Linear Rec.709"
image.pixels.foreach_set(pixels[::-1].ravel())
image.update()
scene.world = world_module.new_world("sky", image)
scene.world.cycles.sampling_method = "NONE"

for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
scene.collection.objects.link(camera)
camera.data.angle = math.radians(40)
scene.render.engine = "CYCLES"
scene.cycles.samples = 1
scene.cycles.use_denoising = False
scene.render.resolution_x = scene.render.resolution_y = 32
scene.render.image_settings.file_format = "OPEN_EXR"
scene.render.image_settings.color_depth = "32"
scene.render.filepath = str(harness.HOME / "view.exr")


def seen(azimuth: float, elevation: float) -> np.ndarray:
    """Render into a direction and return the picture's columns, summed: ``(32, 3)``."""
    camera.rotation_euler = (math.pi / 2 + elevation, 0.0, azimuth - math.pi / 2)
    bpy.context.view_layer.update()
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(scene.render.filepath, check_existing=False)
    values = np.array(picture.pixels[:]).reshape(32, 32, 4)[..., :3].sum(axis=0)
    bpy.data.images.remove(picture)
    return values


def centre(columns: np.ndarray) -> float:
    """Return the centre of light, -1 (left) to 1 (right)."""
    return float((columns * (np.arange(32) + 0.5)).sum() / columns.sum() / 16 - 1)


assert bpy.ops.syncscape.face_camera() == {"FINISHED"}, "without a camera it is the 3D view that counts"
scene.camera = camera
for azimuth in (0.3, 2.5, -1.9):
    seen(azimuth, 0.0)
    assert bpy.ops.syncscape.face_camera() == {"FINISHED"}
    green = seen(azimuth, 0.0)[:, 1]
    assert green.sum() > 1.0, "the middle of the picture is before the camera"
    assert abs(centre(green)) < 0.05, centre(green)
    assert bpy.ops.syncscape.sun_behind() == {"FINISHED"}
    assert seen(azimuth, math.radians(30))[:, 0].max() < 100.0, "not before the camera"
    red = seen(azimuth + math.pi, math.radians(45))[:, 0]
    assert red.max() > 100.0, "the sun is behind it"
    assert abs(centre(red)) < 0.08, centre(red)

camera.rotation_euler = (0.0, 0.0, 0.0)
bpy.context.view_layer.update()
assert "straight up or down" in harness.error_of(lambda: bpy.ops.syncscape.sun_behind())
camera.rotation_euler = (math.pi / 2, 0.0, 0.0)
bpy.context.view_layer.update()
image.pixels.foreach_set(np.zeros(pixels.size, dtype=np.float32))
assert bpy.ops.syncscape.sun_behind() == {"CANCELLED"}, "a dark sky has no sun"
harness.leave()
