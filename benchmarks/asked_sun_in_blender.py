"""Render three balls on a table under Worlds with Cycles, for ``benchmarks.asked_sun``; needs bpy.

    python asked_sun_in_blender.py JOBS WIDTH HEIGHT

``JOBS`` is a JSON list of ``{"world": EXR, "picture": PNG}``. A mirror, a glossy and a diffuse ball, seen
toward +X.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import bpy  # pyright: ignore[reportMissingImports]

SAMPLES = 48
BALLS = {-2.2: (0.8, 1.0, 0.0), 0.0: (0.6, 0.3, 0.0), 2.2: (0.95, 0.02, 1.0)}
"""Place along Y, and the material: grey value, roughness, metal."""


def material(grey: float, roughness: float, metal: float) -> bpy.types.Material:
    """Return a material of the principled shader."""
    made = bpy.data.materials.new("Ball")
    if bpy.app.version < (5, 0, 0):  # later ones always have nodes
        made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (grey, grey, grey, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Metallic"].default_value = metal
    return made


def build(size: tuple[int, int]) -> bpy.types.Node:
    """Make the scene; return the texture node of its World."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.seed = "CYCLES", SAMPLES, 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = size
    for place, look in BALLS.items():
        bpy.ops.mesh.primitive_uv_sphere_add(segments=96, ring_count=48, location=(0.0, place, 1.0))
        bpy.ops.object.shade_smooth()
        bpy.context.object.data.materials.append(material(*look))
    bpy.ops.mesh.primitive_plane_add(size=14.0)
    bpy.context.object.data.materials.append(material(0.5, 1.0, 0.0))
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera, camera.data.lens = camera, 40.0
    camera.location, camera.rotation_euler = (-9.0, 0.0, 3.0), (math.radians(80), 0.0, math.radians(-90))
    world = scene.world = bpy.data.worlds.new("World")
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    texture = world.node_tree.nodes.new("ShaderNodeTexEnvironment")
    background = world.node_tree.nodes["Background"]
    world.node_tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    return texture


def main() -> None:
    """Render every World of the jobs."""
    jobs, width, height = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    texture = build((width, height))
    for job in json.loads(jobs.read_text(encoding="utf-8")):
        texture.image = bpy.data.images.load(job["world"])
        bpy.context.scene.render.filepath = job["picture"]
        bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main()
