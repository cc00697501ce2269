# SPDX-License-Identifier: GPL-3.0-or-later
"""The unfinished picture as the scene's World: it changes, and the old World always comes back."""

import itertools
from types import SimpleNamespace

import bpy
import harness

harness.install()
link = harness.module("engine.link").link
live = harness.module("scene.live")
operator = harness.module("operators.generate").SYNCSCAPE_OT_generate
reports = []


def press(prompt: str, apply: bool = False, wanted: bool = True):
    """Press Generate and wait until the scene shows the first preview."""
    harness.settings(prompt=prompt, world_size="512", apply_when_done=apply, live_world=wanted)
    button = SimpleNamespace(report=lambda *told: reports.append(told))
    assert operator.invoke(button, bpy.context, None) == {"FINISHED"}, reports
    job = link.job
    if wanted:
        harness.tick_until(lambda: live.is_live(bpy.context.scene.world))
    return job


def left() -> list:
    return [item for group in (bpy.data.worlds, bpy.data.images) for item in group if live.LIVE_KEY in item]


before = bpy.context.scene.world
name, users = before.name, before.users
job = press("slow lake")
image = harness.module("scene.world").picture(bpy.context.scene.world)
assert tuple(image.size) == (512, 256)
first = tuple(image.pixels[:8])
shown_at = []
for _ in range(3):
    shown = link._live.shown
    harness.tick_until(lambda shown=shown: link._live.shown != shown)
    shown_at.append(link._live._shown_at)
assert tuple(image.pixels[:8]) != first, "it changes with the job"
gaps = [later - earlier for earlier, later in itertools.pairwise(shown_at)]
assert min(gaps) >= live.EVERY_S, gaps
assert len(left()) == 2

# Saved meanwhile: the file has the scene's own World; the preview goes on afterwards.
path = str(harness.HOME / "saved.blend")
bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
assert bpy.context.scene.world == before
harness.tick_until(lambda: live.is_live(bpy.context.scene.world))
with bpy.data.libraries.load(path) as (there, _):
    assert live.NAME not in there.worlds, there.worlds
    assert live.NAME not in there.images, there.images

# Rendered meanwhile: with the scene's own World.
before.color = (0.0, 1.0, 0.0)
if before.node_tree:
    before.node_tree.nodes["Background"].inputs["Color"].default_value = (0.0, 1.0, 0.0, 1.0)
scene = bpy.context.scene
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
scene.collection.objects.link(scene.camera)
scene.render.engine = "CYCLES"
scene.cycles.samples = 1
scene.render.resolution_x = scene.render.resolution_y = 8
scene.render.image_settings.file_format = "OPEN_EXR"
scene.render.filepath = str(harness.HOME / "view.exr")
bpy.ops.render.render(write_still=True)
pixels = bpy.data.images.load(scene.render.filepath).pixels[:3]
assert pixels[1] > 0.1, pixels
assert max(pixels[0], pixels[2]) < 0.01, f"the preview has red or blue everywhere: {pixels}"
harness.tick_until(lambda: live.is_live(bpy.context.scene.world))

# Cancelled: the old World is back and nothing is left.
job.cancel()
harness.tick_until(lambda: not link.tick())
assert bpy.context.scene.world == before
assert before.users == users
assert not left()

# Failed, died, switched off, done without applying: the same.
for prompt in ("slow die", "slow fail"):
    job = press(prompt)
    harness.tick_until(lambda: not link.tick())
    assert job.state.name == "FAILED"
    assert bpy.context.scene.world.name == name, prompt
    assert not left(), prompt
job = press("slow river")
bpy.context.scene.syncscape.live_world = False
harness.tick_until(lambda: not live.is_live(bpy.context.scene.world))
assert bpy.context.scene.world.name == name
assert not job.state.finished, "the job goes on"
job.cancel()
harness.tick_until(lambda: not link.tick())

# Done and applied: the old World stays in the file, and one undo brings it back.
bpy.ops.ed.undo_push(message="before")
job = press("slow brook", apply=True)
bpy.ops.object.empty_add()
bpy.ops.ed.undo_push(message="the user goes on working")
assert live.is_live(bpy.context.scene.world)
harness.tick_until(lambda: job.state.finished and not link.tick(), timeout=120)
assert bpy.context.scene.world.name == "slow brook"
assert bpy.data.worlds[name].use_fake_user
assert not left()
bpy.ops.ed.undo()
assert bpy.context.scene.world.name == name, bpy.context.scene.world.name
assert not left(), "the undone state had the unfinished picture in it"
assert bpy.context.scene.objects.get("Empty") is not None

# A result applied by hand meanwhile wins, and the old World is kept.
job = press("slow creek")
bpy.ops.syncscape.apply_world()
assert bpy.context.scene.world.name == "slow brook"
assert bpy.data.worlds[name].use_fake_user
job.cancel()
harness.tick_until(lambda: not link.tick())
assert bpy.context.scene.world.name == "slow brook"

# Another file meanwhile: neither the old nor the new one keeps anything.
job = press("slow sea")
bpy.ops.wm.read_homefile(use_empty=True)
for _ in range(5):
    link.tick()
assert not left()
job.cancel()

# No World at all is a World to come back to.
bpy.context.scene.world = None
job = press("slow bay")
job.cancel()
harness.tick_until(lambda: not link.tick())
assert bpy.context.scene.world is None

# Disabled meanwhile.
job = press("slow gulf")
bpy.ops.preferences.addon_disable(module=harness.NAME)
assert bpy.context.scene.world is None
assert not left()
for event in ("save_pre", "load_post", "undo_post", "redo_post", "render_init"):
    names = [item.__module__ for item in getattr(bpy.app.handlers, event)]
    assert not [item for item in names if "syncscape" in item], names
harness.leave()
