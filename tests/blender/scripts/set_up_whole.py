# SPDX-License-Identifier: GPL-3.0-or-later
"""From the zip to the first World: the real engine, set up from a folder of wheels, paints and is removed."""

import time
from pathlib import Path

import bpy
import harness

harness.install(engine="")
module = harness.module("engine.environment")
user = Path(bpy.utils.extension_path_user(harness.NAME))
harness.preferences().library = str(harness.HOME / "library")
harness.preferences().wheels = harness.GIVEN["wheels"]
harness.preferences().accelerator = "cpu"
before = {path for path in harness.HOME.rglob("*") if "__pycache__" not in path.parts}

start = time.perf_counter()
assert bpy.ops.syncscape.set_up_engine() == {"FINISHED"}
set_up = time.perf_counter() - start
report = module.engine_setup.setup.current.report
assert report["problems"] == []
assert report["models"]["draft"] == "here"

harness.settings(prompt="desert at sunset, clear sky", world_size=harness.GIVEN["size"])
assert bpy.ops.syncscape.generate(apply=True) == {"FINISHED"}
total = time.perf_counter() - start
assert bpy.context.scene.world.name.startswith("desert")

assert bpy.ops.syncscape.remove_engine() == {"FINISHED"}
assert module.engine_setup.setup.wait(60)
assert not (user / "engine").exists()
left = {path for path in harness.HOME.rglob("*") if "__pycache__" not in path.parts} - before
ours = (harness.HOME / "library", harness.HOME / ".cache" / "thumbnails")  # pictures; Blender's own cache
left = {path for path in left if not any(folder in (path, *path.parents) for folder in ours)}
left -= {harness.HOME / ".cache", user.parent, user.parent.parent}  # Blender's own, for all extensions
harness.tell(set_up_s=set_up, first_world_s=total, left=sorted(map(str, left)))
harness.leave()
