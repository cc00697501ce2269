# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene Depth: as Cycles' own pass, with modifiers, instances and options; what cannot be is told."""

import math
from pathlib import Path

import bpy
import harness
import numpy as np
from mathutils import Vector

harness.install()
depth, problems = harness.module("scene.depth"), harness.module("scene.problems")
scene = bpy.context.scene
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
settings = harness.settings(prompt="hills", kind="world", world_size="512")
assert bpy.ops.syncscape.add_guide(kind="control") == {"FINISHED"}
line = settings.guides[0]
assert line.target is None, "it needs no handle"
assert "not captured" in str(harness.raised(settings.to_spec))
assert "nothing to see" in harness.error_of(lambda: bpy.ops.syncscape.capture_depth("EXEC_DEFAULT"))

# Ground to the horizon, a wall with a concave corner, a subdivided ball, and instances.
eye = Vector((0.3, -0.2, 1.6))
bpy.ops.mesh.primitive_plane_add(size=4000)
wall = bpy.data.meshes.new("Wall")
shape = [(-3, 6, 0), (3, 6, 0), (3, 6, 1), (0, 6, 1), (0, 6, 4), (-3, 6, 4)]
wall.from_pydata(shape, [], [tuple(range(6))])
scene.collection.objects.link(bpy.data.objects.new("Wall", wall))
bpy.ops.mesh.primitive_cube_add(size=2, location=(-4, 1, 1.5))
bpy.context.object.modifiers.new("Round", "SUBSURF").levels = 2
few = bpy.data.collections.new("Few")
bpy.ops.mesh.primitive_torus_add(location=(0, 0, 0), major_segments=8, minor_segments=5)
torus = bpy.context.object
for home in torus.users_collection:
    home.objects.unlink(torus)
few.objects.link(torus)
for x in (4, 8):
    copy = bpy.data.objects.new("Copy", None)
    copy.instance_type, copy.instance_collection, copy.location = "COLLECTION", few, (x, -3, 2)
    scene.collection.objects.link(copy)
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.location, camera.rotation_euler = eye, (math.pi / 2, 0.0, 0.0)
scene.collection.objects.link(camera)
scene.camera = camera
bpy.context.view_layer.update()


def rendered(width: int, height: int, panorama: bool) -> np.ndarray:
    """Cycles' own depth pass of one sample, the upper row first."""
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.use_adaptive_sampling = 1, False, False
    scene.cycles.filter_width = 0.01
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = 100
    bpy.context.view_layer.use_pass_z = True
    if panorama:
        camera.data.type = "PANO"
        owner = camera.data if hasattr(camera.data, "panorama_type") else camera.data.cycles
        owner.panorama_type = "EQUIRECTANGULAR"
    if hasattr(scene.render.image_settings, "media_type"):  # Blender 5
        scene.render.image_settings.media_type = "MULTI_LAYER_IMAGE"
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    scene.render.filepath = str(harness.HOME / "cycles.exr")
    bpy.ops.render.render(write_still=True)
    camera.data.type = "PERSP"
    return read_z(harness.HOME / "cycles.exr")


def read_z(path: Path) -> np.ndarray:
    import subprocess

    code = (
        "import sys, numpy; from sync_engine.pictures.read import read_distances as r; from pathlib import "
    )
    code += "Path; numpy.save(sys.argv[2], r(Path(sys.argv[1])))"
    command = [harness.GIVEN["python"], "-c", code, str(path), str(path.with_suffix(".npy"))]
    subprocess.run(command, check=True, cwd=harness.GIVEN["root"])
    return np.load(path.with_suffix(".npy"))


def agree(found: np.ndarray, wanted: np.ndarray) -> None:
    """All but the pixels of silhouettes are within half a percent."""
    there = np.isfinite(found) & (found < 1000)
    seen = there & (wanted < 1000)
    assert (there == (wanted < 1000)).mean() > 0.99
    off = np.abs(found - wanted)[seen] / wanted[seen]
    assert (off < 0.005).mean() > 0.98, np.sort(off)[:: len(off) // 20]
    assert np.median(off) < 1e-3


assert bpy.ops.syncscape.capture_depth("EXEC_DEFAULT") == {"FINISHED"}
assert line.file.endswith(".exr")
assert Path(line.file).with_suffix(".png").is_file(), "its thumbnail"
found = read_z(Path(line.file))
assert found.shape == (256, 512)
agree(found, rendered(512, 256, panorama=True))
(guide,) = settings.to_spec().validated().guides
assert guide.file == line.file
assert guide.kind == "depth"
settings.take_spec(settings.to_spec())
assert settings.guides[0].kind == "control"
assert settings.guides[0].file == guide.file
line = settings.guides[0]

# The camera's frame, for a plate.
settings.kind, settings.plate_size = "plate", "CUSTOM"
settings.plate_width, settings.plate_height = 512, 256
scene.render.resolution_x, scene.render.resolution_y = 512, 256
assert bpy.ops.syncscape.capture_depth("EXEC_DEFAULT") == {"FINISHED"}
agree(read_z(Path(line.file)), rendered(512, 256, panorama=False))

# Options: another viewpoint, a distance, a collection, what is hidden in renders.
settings.kind, settings.viewpoint = "world", "CURSOR"
scene.cursor.location = (0.0, 0.0, 0.5)
line.furthest = 3.0
assert bpy.ops.syncscape.capture_depth("EXEC_DEFAULT") == {"FINISHED"}
near = read_z(Path(line.file))
assert abs(float(near[-1].min()) - 0.5) < 1e-3, "straight down to the ground"
assert near[np.isfinite(near)].max() <= 3.0
line.furthest = 0.0
few_only = bpy.data.collections.new("Walls")
few_only.objects.link(bpy.data.objects["Wall"])
line.collection = few_only
assert bpy.ops.syncscape.capture_depth("EXEC_DEFAULT") == {"FINISHED"}
assert not np.isfinite(read_z(Path(line.file))[-1]).any(), "no ground"
bpy.data.objects["Wall"].hide_render = True
bpy.context.view_layer.update()
assert "nothing to see" in harness.error_of(lambda: bpy.ops.syncscape.capture_depth("EXEC_DEFAULT"))
line.only_rendered = False
assert bpy.ops.syncscape.capture_depth("EXEC_DEFAULT") == {"FINISHED"}

# A camera without perspective, no camera, too much: words.
settings.kind = "plate"
camera.data.type = "ORTHO"
assert "no perspective" in harness.error_of(lambda: bpy.ops.syncscape.capture_depth("EXEC_DEFAULT"))
scene.camera = None
assert "no camera" in harness.error_of(lambda: bpy.ops.syncscape.capture_depth("EXEC_DEFAULT"))
settings.kind = "world"
depth.MOST_INSTANCES = 2
assert "more than 2 objects" in harness.error_of(lambda: bpy.ops.syncscape.capture_depth("EXEC_DEFAULT"))
assert Path(line.file).is_file(), "what was captured before stays"
harness.leave()
