# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue: variations in one click, cancel of one, of the current, of all that wait."""

from types import SimpleNamespace

import bpy
import harness

harness.install()
link = harness.module("engine.link").link
results = harness.module("engine.library").results
operator = harness.module("operators.generate").SYNCSCAPE_OT_generate
JobState = harness.module("api").JobState
reports = []


def press() -> None:
    """Do what the Generate button does."""
    button = SimpleNamespace(report=lambda kind, text: reports.append((kind, text)))
    assert operator.invoke(button, bpy.context, None) == {"FINISHED"}, reports


def prompts() -> list[str]:
    return [job.spec.prompt for job in link.waiting]


assert "Nothing waits" in harness.error_of(lambda: bpy.ops.syncscape.clear_queue())
harness.settings(prompt="slow lake", world_size="512", apply_when_done=True, lock_seed=False)
press()
first = link.job
for prompt in ("one", "two", "three"):
    harness.settings(prompt=prompt)
    press()
assert link.job is first
assert prompts() == ["one", "two", "three"]

assert bpy.ops.syncscape.cancel(job=link.waiting[1].id) == {"FINISHED"}
assert prompts() == ["one", "three"], "one of those that wait"
harness.tick_until(lambda: first.progress > 0.1)
assert bpy.ops.syncscape.cancel() == {"FINISHED"}
assert first.state is JobState.CANCELLED
assert link.job.spec.prompt == "one", "cancelling the current job leaves the queue"
harness.tick_until(lambda: link.job is None)
assert [result.spec.prompt for result in results.library().results] == ["three", "one"]

# Variations: the seeds count up from a locked one; the first lights the scene.
harness.settings(prompt="meadow", lock_seed=True, seed=10, variations=3)
before = bpy.context.scene.world.name
press()
jobs = [link.job, *link.waiting]
harness.tick_until(lambda: not link.tick())
assert [job.result.spec.seed for job in jobs] == [10, 11, 12]
assert bpy.context.scene.world.name == "meadow"
assert bpy.context.scene.world["syncscape_result"] == jobs[0].id
assert bpy.context.scene.syncscape.seed == 10
assert "meadow.001" not in bpy.data.worlds, "the others wait in the history"

# Cancel the current one and clear the queue are two things.
harness.settings(prompt="slow river", variations=4)
press()
current, waiting = link.job, link.waiting
harness.tick_until(lambda: current.progress > 0.1)
assert bpy.ops.syncscape.clear_queue() == {"FINISHED"}
assert [job.state for job in waiting] == [JobState.CANCELLED] * 3
assert not current.state.finished
assert bpy.ops.syncscape.cancel() == {"FINISHED"}
assert bpy.ops.syncscape.cancel.poll() is False
harness.tick_until(lambda: not link.tick())
assert len(results.library().results) == 5
harness.leave()
