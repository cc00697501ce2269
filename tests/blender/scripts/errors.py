# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong is told in words with a remedy, and the next try works."""

import bpy
import harness

harness.install()
api = harness.module("api")
link = harness.module("engine.link").link
results = harness.module("engine.library").results
told = {}


def generate() -> set:
    return bpy.ops.syncscape.generate()


def attempt(name: str) -> None:
    """Note the operator's words; none may be a traceback."""
    told[name] = harness.error_of(generate)
    assert "Traceback" not in told[name], told[name]


values = harness.settings(prompt="", world_size="512")
attempt("empty prompt")
values.prompt = "x" * 10_000
attempt("long prompt")
values.prompt = "tab\x07bell"
attempt("control characters")
values.prompt = "valley"
values.model = ""
attempt("no model")
values.model = "draft"

preferences = harness.preferences()
preferences.device = "toaster"
attempt("device")
preferences.device = "auto"

preferences.engine_python = ""
attempt("no python")
preferences.engine_python = "/nowhere/python"
attempt("missing python")
assert link.error is not None, "the panel shows it"
assert link.error.hint
preferences.engine_python = harness.GIVEN["zip"]
attempt("not a program")
if harness.GIVEN.get("bare"):
    preferences.engine_python = harness.GIVEN["bare"]
    attempt("no torch")
    told["check"] = harness.error_of(lambda: bpy.ops.syncscape.check_engine())
preferences.engine_python = harness.GIVEN["engine"]

file = harness.HOME / "a_file"
file.write_text("not a folder", encoding="utf-8")
preferences.library = str(file / "library")
attempt("library")
preferences.library = str(harness.HOME / "library")

for name, fields in {
    "odd size": {"width": 1000},
    "steps": {"steps": 0},
    "strength": {"sync_strength": float("nan")},
    "method": {"method": "magic"},
    "field": {"widht": 1024},
}.items():
    try:
        api.generate(**{"prompt": "valley", **fields})
        raise AssertionError(name)
    except api.SpecError as error:
        told[name] = str(error)

values.prompt = "fail"
attempt("engine failed")
values.prompt = "die"
attempt("engine died")
assert link.error.code == "engine_died"
values.prompt = "valley"
assert generate() == {"FINISHED"}, "the next one works"
assert link.error is None, "and the panel is clean again"

told["world from plate"] = harness.error_of(lambda: bpy.ops.syncscape.apply_world(result="nothing"))
result = results.latest("world")
result.image.write_bytes(b"")
told["broken result"] = harness.error_of(lambda: bpy.ops.syncscape.apply_world())
harness.tell(**told)
harness.leave()
