# SPDX-License-Identifier: GPL-3.0-or-later
"""Batch: a list of prompts with the panel's settings, here in the queue, or as a bundle for a farm."""

import json
import subprocess
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

# A file of jobs, with settings of its own, by the same command; its results are a library that Blender opens.
assert "is not there" in harness.error_of(lambda: batch(filepath=str(harness.HOME / "absent.jsonl")))
assert batch(filepath=str(bad)) == {"FINISHED"}
assert engine_batch.run.wait(120)
assert "bad.jsonl, line 1: prompt = '': empty" in str(engine_batch.problem), engine_batch.problem
jobs = harness.HOME / "jobs.csv"
jobs.write_text("prompt,seed\nmisty forest,1\nslow lake,2\n")
assert batch(filepath=str(jobs), place="BUNDLE", bundle=str(bundle)) == {"FINISHED"}
assert engine_batch.run.wait(120)
assert engine_batch.problem is None
assert len((bundle / "plan.jsonl").read_text().splitlines()) == 2
bpy.context.window_manager.clipboard = '{"prompt": "a"}\n{"prompt": "b", "width": 1000}\n'
if bpy.context.window_manager.clipboard:  # Blender without a window has none
    assert batch(source="CLIPBOARD") == {"FINISHED"}
    assert engine_batch.run.wait(120)
    assert "line 2: width = 1000" in str(engine_batch.problem), engine_batch.problem

made = harness.HOME / "made"
jobs.write_text("prompt,seed,kind\nmisty forest,1,plate\nslow lake,2,plate\n")
command = [harness.GIVEN["python"], "-m", "benchmarks.stand_in_engine", str(jobs), "--out", str(made)]
subprocess.run(command, cwd=Path(__file__).parents[3], check=True)
harness.preferences().library = str(made)
results = api.history()
assert sorted(result.spec.prompt for result in results) == ["misty forest", "slow lake"]
assert all(result.folder.parent == made and result.image.is_file() for result in results)
harness.leave()
