# SPDX-License-Identifier: GPL-3.0-or-later
"""Batch: a list of prompts with the panel's settings, here in the queue, or as a bundle for a farm."""

import json
from pathlib import Path

import bpy
import harness

harness.install()
link = harness.module("engine.link").link
engine_batch = harness.module("engine.batch").engine_batch
api = harness.module("api")
prompts = harness.HOME / "prompts.txt"

batch = bpy.ops.syncscape.batch
assert "cannot be read" in harness.error_of(lambda: batch(filepath=str(harness.HOME / "absent.txt")))
prompts.write_text("# only this\n\n", encoding="utf-8")
assert "no prompts" in harness.error_of(lambda: batch(filepath=str(prompts)))
prompts.write_text("slow lake\n# a remark\n\nmisty forest\n", encoding="utf-8")
assert "width = 1000" in harness.error_of(lambda: batch(filepath=str(prompts), widths="1000"))
assert link.job is None, "nothing is started for a list with an error"

# Here: every prompt in every size and variation, with seeds that count up.
harness.settings(prompt="not this one", lock_seed=True, seed=7, kind="world")
assert batch(filepath=str(prompts), widths="256, 512", variations=2) == {"FINISHED"}
jobs = [link.job, *link.waiting]
assert [(job.spec.prompt, job.spec.width, job.spec.seed) for job in jobs] == [
    (prompt, width, seed)
    for prompt in ("slow lake", "misty forest")
    for width in (256, 512)
    for seed in (7, 8)
]
bpy.ops.syncscape.clear_queue()
bpy.ops.syncscape.cancel()
harness.tick_until(lambda: not link.tick())

# As a bundle: the engine's own command writes it, in a child.
harness.preferences().engine_python = harness.GIVEN["python"]
bundle = harness.HOME / "bundle"
run = api.batch([{"prompt": "a", "seed": 1}, {"prompt": "b", "seed": 2}], on=bundle)
assert not bpy.ops.syncscape.batch.poll(), "one at a time"
assert run.wait(120)
assert run.problem is None, run.problem
assert json.loads((bundle / "template.json").read_text())["name"] == "Syncscape: 2 environments"
assert len((bundle / "plan.jsonl").read_text().splitlines()) == 2
assert batch(filepath=str(prompts), place="BUNDLE", bundle=str(bundle)) == {"FINISHED"}
assert engine_batch.run.wait(120)
assert "environments" in (bundle / "template.json").read_text()

# What the command says of a bad file reaches the user.
module = harness.module("sync_engine.host.batch")
bad = harness.HOME / "bad.jsonl"
bad.write_text('{"prompt": ""}\n')
run = module.BatchRun(harness.GIVEN["python"], bad, Path(harness.preferences().library))
assert run.wait(120)
assert run.status == 2
assert "line 1: prompt = '': empty" in str(run.problem), run.problem
harness.leave()
