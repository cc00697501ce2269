# SPDX-License-Identifier: GPL-3.0-or-later
"""A World's picture small while working, full in renders and files; packed, collected; words else."""

import os
import shutil
from pathlib import Path

import bpy
import harness
import numpy as np
from mathutils import Vector
from skies import Stage, add_disc, blue_sky, world_of

harness.install()
api = harness.module("api")
world_module, sizes = harness.module("scene.world"), harness.module("scene.sizes")
stage = Stage(harness.HOME, samples=16)
scene = bpy.context.scene
picture = blue_sky(2048)
add_disc(picture, Vector((0.5, -0.4, 0.6)).normalized(), np.array([3.0, 2.7, 2.2]))
world = world_of(world_module, "day", picture)
full = bpy.data.images["day"]
texture = next(node for node in world.node_tree.nodes if node.bl_idname == "ShaderNodeTexEnvironment")
lit = stage.render()

bpy.ops.ed.undo_push(message="before")
assert bpy.ops.syncscape.world_size("EXEC_DEFAULT", True, viewport="1024", render="0") == {"FINISHED"}
small = texture.image
assert (small.size[0], small.packed_file is not None) == (1024, True)
values = np.empty(1024 * 512 * 4, dtype=np.float32)
small.pixels.foreach_get(values)
mean = values.reshape(512, 1024, 4)[::-1, :, :3]
assert np.abs(mean - picture.reshape(512, 2, 1024, 2, 3).mean(axis=(1, 3))).max() < 1e-2 * picture.max()

# Renders get the full picture: the small one is black here, and its light stays away.
small.pixels.foreach_set(np.zeros(1024 * 512 * 4, dtype=np.float32))
small.update()
assert np.abs(stage.render() / lit - 1).max() < 0.02
assert texture.image == small, "and the viewport its own again"
assert bpy.ops.syncscape.world_size(viewport="0", render="1024") == {"FINISHED"}
assert texture.image == full
assert stage.render().max() < 1e-3
assert texture.image == full
assert bpy.ops.syncscape.world_size(viewport="1024", render="0") == {"FINISHED"}
assert len([image for image in bpy.data.images if image.get(sizes.WIDTH_KEY)]) == 1, "made once"
small.pixels.foreach_set(values)
small.update()
small.pack()

# What asks for the World's picture gets the full one's light, and both paths of a background follow.
assert bpy.ops.syncscape.separate_backdrop() == {"FINISHED"}
assert bpy.ops.syncscape.world_size(viewport="0", render="0") == {"FINISHED"}
nodes = [node for node in world.node_tree.nodes if node.bl_idname == "ShaderNodeTexEnvironment"]
assert [node.image for node in nodes] == [full, full]
assert bpy.ops.syncscape.join_backdrop() == {"FINISHED"}
assert bpy.ops.syncscape.world_size(viewport="1024", render="0") == {"FINISHED"}

# A file holds the full picture, so that it is right without the extension; opened with it, the small one.
file = harness.HOME / "file" / "scene.blend"
file.parent.mkdir()
bpy.ops.wm.save_as_mainfile(filepath=str(file))
assert texture.image == small
copy = shutil.copy(file, harness.HOME / "copy.blend")
with bpy.data.libraries.load(str(copy)) as (there, here):
    here.worlds = there.worlds
kept = here.worlds[0]
inside = next(node for node in kept.node_tree.nodes if node.bl_idname == "ShaderNodeTexEnvironment")
assert inside.image.size[0] == 2048
bpy.ops.wm.open_mainfile(filepath=str(file))
world = bpy.context.scene.world
texture = next(node for node in world.node_tree.nodes if node.bl_idname == "ShaderNodeTexEnvironment")
assert texture.image.size[0] == 1024
assert sizes.full_of(texture.image).size[0] == 2048
values = np.empty(1024 * 512 * 4, dtype=np.float32)
texture.image.pixels.foreach_get(values)
mean = values.reshape(512, 1024, 4)[::-1, :, :3]
assert np.abs(mean / picture.reshape(512, 2, 1024, 2, 3).mean(axis=(1, 3)) - 1).max() < 1e-2

# One undo step.
world_of(world_module, "again", picture)
bpy.ops.ed.undo_push(message="before")
assert bpy.ops.syncscape.world_size("EXEC_DEFAULT", True, viewport="1024", render="0") == {"FINISHED"}
assert bpy.ops.ed.undo() == {"FINISHED"}
world = bpy.context.scene.world
assert sizes.widths(world) == (0, 0)
assert sizes.full_of(world_module.picture(world)) == world_module.picture(world)

# The memory is planned; a World without a picture and no World are told.
memory = harness.module("scene.whole")
before = memory.lacking
setattr(memory, "lacking", lambda needed: (needed / 2**30, 0.01))  # noqa: B010
assert "are free" in harness.error_of(lambda: bpy.ops.syncscape.world_size(viewport="1024", render="0"))
assert "are free" in harness.error_of(lambda: bpy.ops.syncscape.add_ground())
setattr(memory, "lacking", before)  # noqa: B010
assert sizes.widths(bpy.context.scene.world) == (0, 0)
bpy.context.scene.world = bpy.data.worlds.new("bare")
assert "no World with a picture" in harness.error_of(lambda: bpy.ops.syncscape.world_size(viewport="1024"))
bpy.context.scene.world = None
assert "has no World" in harness.error_of(lambda: bpy.ops.syncscape.world_size(viewport="1024"))

# A result from the library: collected beside the file, then packed into it.
bpy.ops.wm.read_homefile(use_empty=True)
assert "uses no picture" in harness.error_of(lambda: bpy.ops.syncscape.pack_pictures())
job = api.generate(prompt="valley", width=512)
api.apply_world(job)
assert "Save the file first" in harness.error_of(lambda: bpy.ops.syncscape.collect_pictures())
bpy.ops.wm.save_as_mainfile(filepath=str(file))
image = world_module.picture(bpy.context.scene.world)
if os.name == "posix" and os.geteuid() != 0:
    file.parent.chmod(0o500)
    assert "cannot be kept" in harness.error_of(lambda: bpy.ops.syncscape.collect_pictures())
    file.parent.chmod(0o700)
(file.parent / "syncscape").write_text("in the way")
assert "cannot be kept" in harness.error_of(lambda: bpy.ops.syncscape.collect_pictures())
assert Path(bpy.path.abspath(image.filepath)).resolve().parent == job.result.folder.resolve(), "as it was"
(file.parent / "syncscape").unlink()
assert bpy.ops.syncscape.collect_pictures() == {"FINISHED"}
assert image.filepath == f"//syncscape/{job.id}/world.exr"
assert bpy.ops.syncscape.collect_pictures() == {"FINISHED"}, "again: nothing to do"
bpy.ops.wm.save_mainfile()
shutil.rmtree(job.result.folder)
moved = harness.HOME / "moved"
file.parent.rename(moved)
bpy.ops.wm.open_mainfile(filepath=str(moved / "scene.blend"))
image = world_module.picture(bpy.context.scene.world)
assert image.size[0] == 512, "without the library, elsewhere"
assert bpy.ops.syncscape.pack_pictures() == {"FINISHED"}
assert image.packed_file is not None
assert "uses no picture" in harness.error_of(lambda: bpy.ops.syncscape.collect_pictures())
harness.leave()
