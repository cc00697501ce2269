# SPDX-License-Identifier: GPL-3.0-or-later
"""Disabling while a job runs ends the engine and leaves nothing in Blender; enabling works again."""

import time

import bpy
import harness

harness.install()
link_module = harness.module("engine.link")
previews = harness.module("panels.previews")
api = harness.module("api")
job = api.generate(prompt="slow valley", width=512)
harness.tick_until(lambda: job.progress > 0.1)
process = job._client._run.process.popen
assert link_module.link.listening
operators = {name for name in dir(bpy.types) if "syncscape" in name.lower()}
assert {"SYNCSCAPE_OT_generate", "VIEW3D_PT_syncscape", "WORLD_PT_syncscape"} <= operators, operators

start = time.perf_counter()
bpy.ops.preferences.addon_disable(module=harness.NAME)
disable = time.perf_counter() - start
assert process.poll() is not None, "the engine is gone"
assert not link_module.link.listening
assert previews._collection is None
assert not hasattr(bpy.types.Scene, "syncscape")
left = [name for name in dir(bpy.types) if "syncscape" in name.lower()]
assert not left, left
if hasattr(bpy.app.handlers, "exit_pre"):
    assert not [item for item in bpy.app.handlers.exit_pre if "syncscape" in item.__module__]

bpy.ops.preferences.addon_enable(module=harness.NAME)
harness.preferences().engine_python = harness.GIVEN["engine"]
harness.settings(prompt="valley", world_size="512")
assert bpy.ops.syncscape.generate() == {"FINISHED"}
harness.tell(disable_ms=disable * 1000)
harness.leave()
