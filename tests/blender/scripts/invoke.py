# SPDX-License-Identifier: GPL-3.0-or-later
"""The button's way: start, go on, and have the picture applied at its end as one undo step.

The module has no event loop, so the button's ``invoke`` is called as Blender would, and ``tick`` in
place of the timer.
"""

from types import SimpleNamespace

import bpy
import harness

harness.install()
link_module = harness.module("engine.link")
results = harness.module("engine.library").results
link = link_module.link
operator = harness.module("operators.generate").SYNCSCAPE_OT_generate
reports = []


def press() -> None:
    """Do what the Generate button does."""
    button = SimpleNamespace(report=lambda kind, text: reports.append((kind, text)))
    assert operator.invoke(button, bpy.context, None) == {"FINISHED"}, reports
    assert link.job is not None, "it goes on by itself"


values = harness.settings(prompt="slow lake", world_size="512", apply_when_done=True, lock_seed=False)
before = bpy.context.scene.world.name
press()
assert link_module.link.listening
harness.tick_until(lambda: link.job.progress > 0.1)
assert bpy.ops.syncscape.cancel() == {"FINISHED"}
assert "Nothing is being made" in harness.error_of(lambda: bpy.ops.syncscape.cancel())
harness.tick_until(lambda: not link.tick())
assert bpy.context.scene.world.name == before, "a cancelled job changes nothing"

values.prompt = "lake"
bpy.ops.ed.undo_push(message="before")
press()
harness.tick_until(lambda: bpy.context.scene.world.name != before)
assert bpy.context.scene.world.name == "lake"
assert bpy.context.scene.syncscape.seed == 4242
assert bpy.ops.ed.undo() == {"FINISHED"}
assert bpy.context.scene.world.name == before, "one undo step"

# A drag is going on: the picture waits for its end.
values = harness.settings(prompt="pond", apply_when_done=True)
busy, link_module.user_is_interacting = link_module.user_is_interacting, lambda: True
press()
job = link.job
harness.tick_until(lambda: job.state.finished)
assert link.tick(), "the timer must go on"
assert bpy.context.scene.world.name == before
link_module.user_is_interacting = busy
assert not link.tick()
assert bpy.context.scene.world.name == "pond"

# Not wanted: nothing is applied. Another file: neither.
harness.settings(prompt="river", apply_when_done=False)
press()
harness.tick_until(lambda: not link.tick())
assert bpy.context.scene.world.name == "pond"
harness.settings(prompt="slow stream", apply_when_done=True)
press()
bpy.ops.wm.read_homefile(use_empty=False, use_factory_startup=False)
harness.tick_until(lambda: link.job is None)
assert bpy.context.scene.world.name == before, "the picture belongs to the file it was started from"
assert results.latest("world").spec.prompt == "slow stream", "but it is not lost"

# A plate without a camera: the panel says what is missing.
harness.settings(prompt="skyline", kind="plate", plate_size="1024x512")
bpy.context.scene.camera = None
press()
harness.tick_until(lambda: not link.tick())
assert "no camera" in str(link.error), link.error
assert not reports
harness.leave()
