# SPDX-License-Identifier: GPL-3.0-or-later
"""The library folder moved: a file saved before shows its World and its plate again after one answer."""

import shutil

import bpy
import harness

harness.install()
api, together = harness.module("api"), harness.module("scene.together")
moved_to = harness.HOME / "elsewhere" / "library"
library = harness.module("engine.preferences").library_folder()
bpy.context.scene.camera = bpy.data.objects.get("Camera") or bpy.data.objects[0]
world, plate = (api.generate(prompt="sea", kind=kind, width=512, height=256) for kind in ("world", "plate"))
for job in (world, plate):
    job.wait()
api.apply_world(world)
api.apply_plate(plate)
assert "within the library" in harness.error_of(lambda: bpy.ops.syncscape.relink_pictures())
file = harness.HOME / "scene.blend"
bpy.ops.wm.save_as_mainfile(filepath=str(file), relative_remap=False)

moved_to.parent.mkdir()
shutil.move(library, moved_to)
bpy.ops.wm.open_mainfile(filepath=str(file))
assert not together.moved(library), "nothing is there"
harness.preferences().library = str(moved_to)
assert len(together.moved(moved_to)) == 2, [image.filepath for image in bpy.data.images]

# An id that a stranger's file has leads nowhere else; what is damaged is refused in words.
image = next(image for image in together.pictures() if image.filepath.endswith("world.exr"))
image[together.RESULT_KEY] = "../library/" + world.id
assert image not in together.moved(moved_to)
image[together.RESULT_KEY] = world.id
picture = moved_to / world.id / "world.exr"
whole = picture.read_bytes()
picture.write_bytes(whole[:1000])
assert "damaged" in harness.error_of(lambda: bpy.ops.syncscape.relink_pictures())
picture.write_bytes(whole)

assert bpy.ops.syncscape.relink_pictures() == {"FINISHED"}
assert not together.moved(moved_to)
for image in together.pictures():
    assert image.filepath.startswith(str(moved_to)), image.filepath
    assert tuple(image.size) == (512, 256)
    assert image.pixels[0] >= 0
assert not bpy.ops.syncscape.relink_pictures.poll()
harness.leave()
