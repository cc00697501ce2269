# SPDX-License-Identifier: GPL-3.0-or-later
"""Unfinished pictures in the history: Resume and Discard; a model that is not here is a question."""

import json
from types import SimpleNamespace

import bpy
import harness
from panels_layout import Layout

harness.install()
link = harness.module("engine.link").link
results = harness.module("engine.library").results
library = harness.module("engine.preferences").library_folder()
interface = harness.module("sync_engine.interface.partial_folders")
Spec = harness.module("api").EnvironmentSpec
Queue = harness.module("sync_engine.host.unfinished").KeptQueue
JobState = harness.module("api").JobState
context = SimpleNamespace(region=None, preferences=bpy.context.preferences, scene=bpy.context.scene)


def offered() -> list[str]:
    results.forget()
    return [job.spec.prompt for job in link.unfinished()]


def drawn() -> str:
    layout = Layout()
    harness.module("panels.history")._draw_unfinished(layout, context)
    return " | ".join(layout.seen)


assert drawn() == ""
assert "Nothing is unfinished" in harness.error_of(lambda: bpy.ops.syncscape.resume())

# Another Blender died: one of its jobs had begun, another waited.
library.mkdir(parents=True, exist_ok=True)
left = Queue(library)
left.keep("20260101-000000-0001", Spec("lake", width=512))
left.leave()
begun = library / ".20260101-000000-0002.00000000.partial"
begun.mkdir()
interface.FolderLock(begun).release()
key = json.dumps({"spec": Spec("slow river", width=512, seed=9).to_json()})
header = json.dumps({"__metadata__": {"key": key, "about": "{}"}}).encode()
(begun / "checkpoint.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
assert offered() == ["slow river", "lake"], offered()
for words in ("Unfinished: 2", "slow river", "lake", "syncscape.resume", "syncscape.discard"):
    assert words in drawn(), drawn()

assert bpy.ops.syncscape.resume(job="20260101-000000-0002") == {"FINISHED"}
job = link.job
assert (job.id, job.spec.seed) == ("20260101-000000-0002", 9)
assert offered() == ["lake"], "what runs again is no longer offered"
harness.tick_until(lambda: not link.tick())
assert job.state is JobState.DONE
assert results.library().get(job.id) is not None

# What waits now is written down until it is done.
assert bpy.ops.syncscape.resume() == {"FINISHED"}
lake = link.job
harness.tick_until(lambda: not link.tick())
assert lake.state is JobState.DONE
assert offered() == []
assert drawn() == ""

# The preferences change, or Blender quits, while jobs wait: they are offered again, and can be thrown away.
for prompt in ("slow hill", "meadow"):
    link.generate(Spec(prompt, width=512))
harness.tick_until(lambda: link.job.progress > 0.1)
link.stop()
assert sorted(offered()) == ["meadow", "slow hill"], offered()
assert bpy.ops.syncscape.discard() == {"FINISHED"}
assert offered() == []

# A model that is not here is a question; yes asks again, and says so.
asked = link.generate(Spec("question", width=512))
harness.tick_until(lambda: not link.tick())
assert asked.state is JobState.FAILED
assert [job.id for job in link.refused] == [asked.id]
layout = Layout()
harness.module("panels.parts").draw_problem(layout, context, link.error)
assert "syncscape.agree" in layout.seen, layout.seen
assert "6.9 GB" in " ".join(layout.seen)
bpy.context.preferences.system.use_online_access = False
assert not bpy.ops.syncscape.agree.poll()
bpy.context.preferences.system.use_online_access = True
assert bpy.ops.syncscape.agree() == {"FINISHED"}
again = link.job
assert again.agreed
assert link.refused == []
harness.tick_until(lambda: not link.tick())
assert again.state is JobState.DONE
harness.leave()
