# SPDX-License-Identifier: GPL-3.0-or-later
"""The script interface: a job that returns at once, its progress, its end, a cancel, a batch."""

import time

import bpy
import harness

harness.install()
api = harness.module("api")
link = harness.module("engine.link").link

start = time.perf_counter()
job = api.generate(prompt="slow valley", kind="world", width=1024, seed=7)
returned = time.perf_counter() - start
assert returned < 1.0, returned
assert job.state in (api.JobState.QUEUED, api.JobState.RUNNING)
ticks = harness.tick_until(lambda: job.progress > 0.2)
assert job.stage == "denoise"
assert 0 < job.step < job.steps
assert job.eta_s is not None
assert job.preview.is_file(), "a live preview"
icon = harness.module("panels.previews").icon
shown = []
for _ in range(10):
    ticks += harness.tick_until(lambda step=job.step: job.step > step + 2)
    start = time.perf_counter()
    assert icon(job.preview) or bpy.app.background
    shown.append((time.perf_counter() - start) * 1000)

start = time.perf_counter()
job.cancel()
assert job.state is api.JobState.CANCELLED
freed = time.perf_counter() - start
assert freed < 0.1, freed
start = time.perf_counter()
harness.tick_until(lambda: link.state.name == "READY")
ready = time.perf_counter() - start
assert not list(job._client.library.glob("2*")), "a cancelled job leaves no result"

try:
    api.generate(prompt="slow valley", width=512).wait(0.2)
    raise AssertionError("wait should have timed out")
except TimeoutError:
    link.job.cancel()

many = api.batch(
    [{"prompt": "one", "width": 512, "seed": 1}, {"prompt": "two", "kind": "plate", "width": 512}]
)
assert [item.wait(60) for item in many] == [api.JobState.DONE] * 2
assert many[0].result.spec.seed == 1
assert many[0].progress == 1.0
world = api.apply_world(many[0])
assert bpy.context.scene.world == world
assert bpy.ops.syncscape.release_engine() == {"FINISHED"}
ticks.sort()
harness.tell(
    returned_ms=returned * 1000,
    cancel_ms=freed * 1000,
    ready_after_cancel_ms=ready * 1000,
    ticks=len(ticks),
    tick_median_ms=ticks[len(ticks) // 2] * 1000,
    tick_worst_ms=ticks[-1] * 1000,
    preview_ms=sorted(shown),
)
harness.leave()
