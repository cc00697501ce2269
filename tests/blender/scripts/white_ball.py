# SPDX-License-Identifier: GPL-3.0-or-later
"""A white ball under Worlds of the engine's light, seen through the default view transform."""

import math
from pathlib import Path

import bpy
import harness
import numpy as np

harness.install()
api = harness.module("api")
world_module = harness.module("scene.world")
scene = bpy.context.scene
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
bpy.ops.mesh.primitive_uv_sphere_add(segments=48, ring_count=24, radius=1.0)
bpy.ops.object.shade_smooth()
white = bpy.data.materials.new("White")
if bpy.app.version < (5, 0, 0):  # later ones always have nodes
    white.use_nodes = True
tree = white.node_tree
tree.nodes.clear()
diffuse = tree.nodes.new("ShaderNodeBsdfDiffuse")
diffuse.inputs["Color"].default_value = (0.8, 0.8, 0.8, 1.0)
tree.links.new(diffuse.outputs["BSDF"], tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
bpy.context.object.data.materials.append(white)
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
scene.collection.objects.link(camera)
camera.data.type, camera.data.ortho_scale = "ORTHO", 2.2
scene.camera = camera
scene.render.engine = "CYCLES"
scene.cycles.samples = 16
scene.cycles.use_denoising = False
scene.render.film_transparent = True
scene.render.resolution_x = scene.render.resolution_y = 64
scene.render.image_settings.file_format = "PNG"
scene.render.image_settings.color_mode = "RGBA"
scene.render.filepath = str(harness.HOME / "ball.png")


def display(azimuth: float) -> np.ndarray:
    """Return the display values of the ball's pixels, 0 to 1, seen level from one side."""
    camera.rotation_euler = (math.pi / 2, 0.0, azimuth + math.pi / 2)
    camera.location = (5 * math.cos(azimuth), 5 * math.sin(azimuth), 0.0)
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(scene.render.filepath, check_existing=False)
    picture.colorspace_settings.name = "Non-Color"
    pixels = np.array(picture.pixels[:]).reshape(-1, 4)
    bpy.data.images.remove(picture)
    return pixels[pixels[:, 3] > 0.99, :3].mean(axis=1)


told = {}
for name, path in harness.GIVEN["worlds"].items():
    world = world_module.apply_world(scene, Path(path), name, "")
    sides = [display(math.radians(angle)) for angle in (40, 220)]  # with and against the sun
    told[name] = {
        "mean": float(np.mean(np.concatenate(sides))),
        "brightest": float(max(np.percentile(side, 99) for side in sides)),
        "darkest": float(min(np.percentile(side, 1) for side in sides)),
        "view": scene.view_settings.view_transform,
    }
harness.tell(**told)
harness.leave()
