# SPDX-License-Identifier: GPL-3.0-or-later
"""The history: filter, choose, reuse, a new seed, delete; other scenes, other files, other Blenders."""

import json
import os
import shutil
from pathlib import Path

import bpy
import harness

os.environ["XDG_DATA_HOME"] = str(harness.HOME / "data")
harness.install()
api = harness.module("api")
link = harness.module("engine.link").link
results = harness.module("engine.library").results
panel = harness.module("panels.history")
history = bpy.context.window_manager.syncscape_history


def shown() -> list[str]:
    panel._shown.update(bpy.context.window_manager.syncscape_history)
    return [result.spec.prompt for result in panel._shown.page]


jobs = api.batch(
    [
        {
            "prompt": "snowy hill",
            "width": 512,
            "seed": 5,
            "steps": 9,
            "guidance": 2.0,
            "negative": "people",
            "sun_stops": 3.5,
            "loras": ["/loras/a.safetensors:0.5"],
            "exposure": -1.0,
            "prompt_zenith": "clouds",
        },
        {"prompt": "harbour", "kind": "plate", "width": 1024, "height": 384, "method": "multidiffusion"},
        {
            "prompt": "snowy forest",
            "width": 2048,
            "seed": 6,
            "sync_strength": 2.0,
            "sync_steps": 3,
            "ldr": True,
        },
    ]
)
assert [job.wait(90) for job in jobs] == [api.JobState.DONE] * 3
assert shown() == ["snowy forest", "harbour", "snowy hill"], "newest first"
assert history.chosen == jobs[2].id
history.kind = "plate"
assert shown() == ["harbour"]
history.kind = "all"
history.text = "SNOWY h"
assert shown() == ["snowy hill"]
assert history.chosen == jobs[0].id, "what is shown is what the buttons work on"
history.text = "nothing like it"
assert shown() == []
history.text = ""
history.chosen = jobs[0].id
assert history.chosen == jobs[0].id

# Reuse: the same settings, the same seed, so the same picture.
for job in jobs:
    assert bpy.ops.syncscape.reuse_settings(result=job.id) == {"FINISHED"}
    again = bpy.context.scene.syncscape.to_spec().to_dict()
    made = job.result.spec.to_dict()
    differ = {name: (again[name], made[name]) for name in made if again[name] != made[name]}
    differ.pop("height", None)  # a World's follows from its width
    assert not differ, differ
    # The same from any of its files, by the same way.
    bpy.context.scene.syncscape.prompt = "something else"
    assert bpy.ops.syncscape.load_settings(filepath=str(job.result.folder / "spec.json")) == {"FINISHED"}
    assert bpy.context.scene.syncscape.to_spec().to_dict() == again
    picture = harness.HOME / "carried away.png"
    text = b"syncscape\0" + json.dumps(made).encode()
    picture.write_bytes(
        b"\x89PNG\r\n\x1a\n" + len(text).to_bytes(4, "big") + b"tEXt" + text + b"\0" * 8 + b"IEND"
    )
    bpy.context.scene.syncscape.prompt = "something else"
    assert bpy.ops.syncscape.load_settings(filepath=str(picture)) == {"FINISHED"}
    assert bpy.context.scene.syncscape.to_spec().to_dict() == again
assert bpy.context.scene.syncscape.world_size == "2048"
for path, words in ((harness.HOME / "nothing.exr", "cannot be read"), (jobs[1].result.image, "no settings")):
    assert words in harness.error_of(lambda path=path: bpy.ops.syncscape.load_settings(filepath=str(path)))
bpy.ops.syncscape.reuse_settings(result=jobs[1].id)
assert bpy.context.scene.syncscape.plate_size == "CUSTOM"
assert bpy.context.scene.syncscape.to_spec().height == 384

# A new seed: all other settings of that picture, whatever the panel says.
before = bpy.context.scene.syncscape.to_spec()
bpy.context.scene.syncscape.apply_when_done = False
assert bpy.ops.syncscape.new_seed(result=jobs[0].id) == {"FINISHED"}
job = link.job
harness.tick_until(lambda: not link.tick())
assert job.result.spec.seed == 4242
assert job.result.spec.steps == 9
assert job.result.spec.negative == "people"
assert bpy.context.scene.syncscape.to_spec() == before
assert shown()[0] == "snowy hill"
assert history.chosen == job.id, "a new picture is shown"

# Another scene, another file: the same history.
bpy.ops.scene.new(type="NEW")
assert len(shown()) == 4
bpy.ops.wm.read_homefile(use_empty=True)
assert len(shown()) == 4
history = bpy.context.window_manager.syncscape_history

# Another Blender made one, another deleted one.
library = Path(results.library().folder)
shutil.copytree(library / jobs[0].id, library / "20990101-000000-0000")
assert len(shown()) == 5
shutil.rmtree(library / jobs[1].id)
assert "harbour" not in shown()

# Delete: to the trash, and the newest of the rest is chosen.
assert bpy.ops.syncscape.delete_result(result="20990101-000000-0000") == {"FINISHED"}
assert (harness.HOME / "data" / "Trash" / "files" / "20990101-000000-0000" / "spec.json").is_file()
assert len(shown()) == 3
assert bpy.ops.syncscape.delete_result(result=jobs[2].id, permanent=True) == {"FINISHED"}
assert not (library / jobs[2].id).exists()
assert not (harness.HOME / "data" / "Trash" / "files" / jobs[2].id).exists()
assert "spec.json" in harness.error_of(lambda: bpy.ops.syncscape.delete_result(result=jobs[2].id))
assert "newest" not in str(link.error)

# A picture that this file uses is known to be used.
operators = harness.module("operators.results")
found = results.library().get(job.id)
assert not operators.is_used(found)
api.apply_world(found)
assert operators.is_used(found)
bpy.context.scene.world.node_tree.nodes["Environment Texture"].image.pack()
assert not operators.is_used(found)

# Pages.
record = json.loads((library / job.id / "spec.json").read_text())
small = (library / job.id / "preview.png").read_bytes()
for number in range(100):
    folder = library / f"20200101-000000-{number:04x}"
    folder.mkdir()
    (folder / "world.exr").write_bytes(b"picture")
    (folder / "preview.png").write_bytes(small)
    (folder / "spec.json").write_text(json.dumps({**record, "created": "2020-01-01T00:00:00+00:00"}))
assert len(shown()) == panel.PAGE
assert panel._shown.pages == 3
bpy.ops.syncscape.history_page(step=5)
assert history.page == 2
assert len(shown()) == 102 - 2 * panel.PAGE
bpy.ops.syncscape.history_page(step=-9)
assert history.page == 0
history.page = 99
assert len(shown()) == 102 - 2 * panel.PAGE, "a page that is not there is the last one"
history.text = "snowy"
assert history.page == 0
harness.leave()
