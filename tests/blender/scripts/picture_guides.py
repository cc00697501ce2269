# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as guides in Blender: photos by Empties, repairs by painting, results, viewpoints, lost files."""

import math
from pathlib import Path

import bpy
import harness
import numpy as np
from mathutils import Vector

harness.install()
interface = harness.module("sync_engine.interface.guides")
paint_over = harness.module("scene.paint_over")
outlines = harness.module("panels.outlines")
problems = harness.module("scene.problems")
scene = bpy.context.scene
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
settings = harness.settings(prompt="a wide desert", kind="world")
scene.cursor.location = (1.0, 2.0, 3.0)


def close(found: float | None, wanted: float, off: float = 0.01) -> bool:
    return found is not None and abs(math.remainder(found - wanted, 360.0)) < off


# A photo: where its Empty stands from the viewpoint, without a camera the 3D cursor.
photo = bpy.data.images.new("photo.png", 32, 16)
file = paint_over.file_of(photo, harness.HOME / "guides")
assert file.is_file(), "what has no file is saved"
assert paint_over.file_of(bpy.data.images.load(str(file)), harness.HOME / "guides") == file
assert bpy.ops.syncscape.add_guide("EXEC_DEFAULT", True, kind="picture") == {"FINISHED"}
line = settings.guides[0]
assert "file" in str(harness.raised(lambda: settings.to_spec().validated())), "it names no picture yet"
line.file, line.fov = str(file), math.radians(80.0)
line.target.location = scene.cursor.location + Vector((0.0, 5.0, 5.0))
bpy.context.view_layer.update()
(guide,) = settings.to_spec().validated().guides
assert isinstance(guide, interface.Picture)
assert close(guide.azimuth, 0.0), guide
assert close(guide.elevation, 45.0), guide
assert close(guide.fov, 80.0), guide
assert guide.is_placed
assert guide.strength is None

# Another viewpoint; the outline is the photo's frame there, as wide as its field of view.
stand = bpy.data.objects.new("Stand", None)
stand.location = line.target.location + Vector((5.0, 0.0, 0.0))
scene.collection.objects.link(stand)
bpy.context.view_layer.update()
settings.viewpoint, settings.viewpoint_object = "OBJECT", stand
(guide,) = settings.to_spec().guides
assert close(guide.azimuth, 90.0), guide
frame = outlines.outline(line, stand.location)
assert len(frame) == 5
seen = (frame[0][0] - stand.location).xy.angle((frame[1][0] - stand.location).xy)
assert close(math.degrees(seen), 80.0), seen
settings.viewpoint = "CURSOR"
assert close(settings.to_spec().guides[0].azimuth, 0.0)
settings.viewpoint = "OBJECT"
bpy.data.objects.remove(stand)
assert close(settings.to_spec().guides[0].azimuth, 0.0), "an object that is gone: the cursor"

# The same again from a spec, also of a whole picture, a repaired cap and a region by a mask.
wanted = settings.to_spec()
settings.take_spec(wanted)
bpy.context.view_layer.update()
(guide,) = settings.to_spec().guides
assert close(guide.azimuth, 0.0), guide
assert close(guide.fov, 80.0), guide
others = (
    interface.Picture(file=str(file), strength=0.3),
    interface.Picture(file=str(file), azimuth=40.0, elevation=10.0, radius=15.0),
    interface.Region(prompt="a river", mask=str(file), strength=0.5),
)
outlines_of = []
for other in others:
    settings.take_spec(harness.module("sync_engine.interface.spec").EnvironmentSpec("a", guides=(other,)))
    bpy.context.view_layer.update()
    (guide,) = settings.to_spec().guides
    near = {name: round(v, 3) if isinstance(v, float) else v for name, v in guide.to_dict().items()}
    assert near == other.to_dict(), (near, other)
    outlines_of.append(len(outlines.outline(settings.guides[0], scene.cursor.location)))
assert outlines_of == [0, outlines.SEGMENTS + 1, 0]

# On a plate a photo has a width; a part of it is repaired by a mask alone.
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.rotation_euler = (math.pi / 2, 0.0, 0.0)
scene.collection.objects.link(camera)
scene.camera, settings.viewpoint, settings.kind = camera, "CAMERA", "plate"
settings.guides.clear()
assert bpy.ops.syncscape.add_guide("EXEC_DEFAULT", True, kind="picture") == {"FINISHED"}
line = settings.guides[0]
line.file, line.width, line.blend = str(file), 0.25, 5.0
bpy.context.view_layer.update()
(guide,) = settings.to_spec().validated().guides
assert close(guide.x, 0.5, 1e-3), guide
assert guide.width == 0.25
assert close(guide.feather, 0.05, 1e-6), guide
line.task = "REPAIR"
assert "repaired by a mask" in str(harness.raised(settings.to_spec))

# Painting over a copy: the mask is white where it differs, and the picture stays.
world = bpy.data.images.new("world", 64, 32, float_buffer=True)
world.pixels.foreach_set(np.tile(np.float32([2.0, 0.5, 0.1, 1.0]), 64 * 32))
file = paint_over.file_of(world, harness.HOME / "guides")
assert file.suffix == ".exr", "light stays light"
copy = paint_over.copy_to_paint(world, file)
told = harness.raised(lambda: paint_over.painted_mask(copy, harness.HOME / "guides"))
assert told.trouble is problems.Trouble.NOTHING_PAINTED
pixels = np.array(copy.pixels, dtype=np.float32).reshape(32, 64, 4)
pixels[4:8, 10:20, :3] = 0.1
copy.pixels.foreach_set(pixels.reshape(-1))
mask = bpy.data.images.load(str(paint_over.painted_mask(copy, harness.HOME / "guides")))
white = np.array(mask.pixels).reshape(32, 64, 4)[..., 0] > 0.5
assert white[4:8, 10:20].all()
assert white.sum() == 40
Path(copy[paint_over.REPAIRS_KEY]).unlink()
told = harness.raised(lambda: paint_over.painted_mask(copy, harness.HOME / "guides"))
assert told.trouble is problems.Trouble.UNREADABLE_PICTURE
empty = bpy.data.images.new("empty", 1, 1)
empty.source = "FILE"
told = harness.raised(lambda: paint_over.file_of(empty, harness.HOME / "guides"))
assert told.trouble is problems.Trouble.EMPTY_IMAGE

# A result becomes a guide, with its shape; the Empty of a guide is deleted while the job waits.
settings.kind, settings.world_size, settings.apply_when_done = "world", "512", False
settings.guides.clear()
settings.prompt = "slow desert"
assert bpy.ops.syncscape.generate("EXEC_DEFAULT") == {"FINISHED"}
settings.kind, settings.prompt = "plate", "other words"
bpy.ops.ed.undo_push(message="before")
assert bpy.ops.syncscape.use_as_guide("EXEC_DEFAULT", True) == {"FINISHED"}
assert settings.kind == "world"
assert settings.size() == (512, None)
assert settings.prompt == "other words"
(guide,) = settings.to_spec().validated().guides
assert Path(guide.file).name == "world.exr"
assert guide.strength is not None
assert bpy.ops.ed.undo() == {"FINISHED"}
settings = bpy.context.scene.syncscape
assert len(settings.guides) == 0
settings.kind = "world"
assert bpy.ops.syncscape.add_guide("EXEC_DEFAULT", True, kind="region") == {"FINISHED"}
settings.guides[0].prompt = "a lake"
link = harness.module("engine.link").link
jobs = [link.generate(settings.to_spec()) for _ in range(2)]
bpy.data.objects.remove(settings.guides[0].target)
harness.tick_until(lambda: all(job.state.finished for job in jobs))
assert [job.state.value for job in jobs] == ["done", "done"], [job.error for job in jobs]
assert jobs[1].result.spec.guides[0].prompt == "a lake"

# Files and copied scenes keep their guides.
blend = str(harness.HOME / "guides.blend")
again = bpy.context.scene.copy()
again.use_fake_user, again.syncscape.guides[0].prompt = True, "another lake"
bpy.ops.wm.save_as_mainfile(filepath=blend)
bpy.ops.wm.open_mainfile(filepath=blend)
found = [(s.name, [line.prompt for line in s.syncscape.guides]) for s in bpy.data.scenes]
assert sorted(prompts for _, prompts in found) == [["a lake"], ["another lake"]], found
harness.leave()
