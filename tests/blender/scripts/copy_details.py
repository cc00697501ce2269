# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy Details: versions, device, the last error and the log, no name of anybody; the log is reachable."""

import os
from pathlib import Path

import bpy
import harness

harness.install()
api = harness.module("api")
link = harness.module("engine.link").link
results = harness.module("engine.library").results
details = harness.module("operators.details")
assert "no log yet" in harness.error_of(lambda: bpy.ops.syncscape.open_log())
job = api.generate(prompt="die", width=512)
harness.tick_until(lambda: job.state.finished)
text = details.details(bpy.context)
for part in (
    "Syncscape 0.",
    f"Blender {bpy.app.version_string}",
    "Fake CPU (cpu, 8.0 GiB free)",
    "torch fake",
    "killed by signal 9",
    "[client]",
):
    assert part in text, f"{part!r} is not in\n{text}"
for private in (str(harness.HOME), str(Path.home()) + os.sep, str(results.library().folder)):
    assert private not in text, f"{private} is in\n{text}"
assert bpy.ops.syncscape.copy_details() == {"FINISHED"}
if not bpy.app.background:
    assert bpy.context.window_manager.clipboard == text
assert link.log_file().is_file()

# A new session shows the log of the one before.
link.stop()
assert link.log_tail(), "the end of the log is read from the file"
harness.leave()
