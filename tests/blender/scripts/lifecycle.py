# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a job while the user goes on: undo, another scene, a deleted scene, files, drags."""

from types import SimpleNamespace

import bpy
import harness

harness.install()
link_module = harness.module("engine.link")
results = harness.module("engine.library").results
link = link_module.link
operator = harness.module("operators.generate").SYNCSCAPE_OT_generate
reports = []


def press(prompt: str):
    """Do what the Generate button does, with Apply When Done."""
    harness.settings(prompt=prompt, world_size="512", apply_when_done=True)
    button = SimpleNamespace(report=lambda *told: reports.append(told))
    assert operator.invoke(button, bpy.context, None) == {"FINISHED"}, reports
    return link.job


def finish(job) -> None:
    harness.tick_until(lambda: not link.tick(), timeout=120)
    assert job.state.name == "DONE", job.error


bpy.context.scene.name = "First"

# Undo and redo go on beside the job; it keeps its own settings.
bpy.ops.ed.undo_push(message="start")
job = press("slow lake")
bpy.ops.object.empty_add()
bpy.ops.ed.undo_push(message="Add Empty")
harness.settings(prompt="edited meanwhile")
harness.tick_until(lambda: job.progress > 0.1)
bpy.ops.ed.undo()
assert not job.state.finished, "undo is no cancel"
finish(job)
assert bpy.context.scene.world.name == "slow lake", "applied although undo replaced the scene's data"
assert bpy.data.objects.get("Empty") is None
assert job.result.spec.prompt == "slow lake"

# Another scene: the World goes to the one that asked.
job = press("slow pond")
bpy.ops.scene.new(type="EMPTY")
other = bpy.context.scene
assert other.name != "First"
other.syncscape.seed = 5
finish(job)
assert other.world is None or other.world.name != "slow pond"
assert bpy.data.scenes["First"].world.name == "slow pond"
assert other.syncscape.seed == 5, "the seed that is shown belongs to that scene too"

# The scene is deleted: nothing breaks, the picture is in the history.
job = press("slow river")
bpy.ops.scene.delete()
finish(job)
assert "slow river" not in bpy.data.worlds
assert results.latest().spec.prompt == "slow river"
assert link.error is None

# Saved and loaded meanwhile: the loaded scene is not the one that asked, even with the same name.
path = str(harness.HOME / "scene.blend")
harness.settings(prompt="kept in the file", plate_size="CUSTOM")
bpy.ops.wm.save_as_mainfile(filepath=path)
job = press("slow brook")
bpy.ops.wm.open_mainfile(filepath=path)
assert link.job is job, "loading is no cancel"
finish(job)
assert bpy.context.scene.world.name == "slow pond"
assert "slow brook" not in bpy.data.worlds
assert results.latest().spec.prompt == "slow brook"
assert bpy.context.scene.syncscape.prompt == "kept in the file", "settings belong to the file"
assert bpy.context.scene.syncscape.plate_size == "CUSTOM"

# A new file: the job goes on, and its progress and cancel are there.
job = press("slow creek")
bpy.ops.wm.read_homefile(use_empty=False)
assert link.job is job
assert bpy.ops.syncscape.cancel() == {"FINISHED"}
harness.tick_until(lambda: not link.tick())

# A render or a drag is going on: the World waits for its end.
before = bpy.context.scene.world
job = press("bay")
busy, link_module.user_is_interacting = link_module.user_is_interacting, lambda: True
harness.tick_until(lambda: job.state.finished)
for _ in range(5):
    assert link.tick(), "it goes on listening"
assert bpy.context.scene.world == before
link_module.user_is_interacting = busy
harness.tick_until(lambda: not link.tick())
assert bpy.context.scene.world.name == "bay"
assert not reports
harness.leave()
