# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's own environment, by its operators: built by the bundled uv and Blender's Python, removed."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import harness
from panels_layout import Layout

ROOT, LOCK = Path(harness.GIVEN["root"]), Path(harness.GIVEN["lock"])
harness.install(engine="")
module = harness.module("engine.environment")
module.ROOT = ROOT  # a small engine instead of the real one: a few kilobytes
engine_setup = module.engine_setup
preferences = harness.module("engine.preferences")
states = harness.module("sync_engine.installer.states")
State = states.SetupState
user = Path(bpy.utils.extension_path_user(harness.NAME))


def press(name: str) -> None:
    """Do what a button does; the module has no event loop, so ``invoke`` is called as Blender would."""
    operator = getattr(harness.module("operators.setup"), f"SYNCSCAPE_OT_{name}")
    assert operator.invoke(SimpleNamespace(), bpy.context, None) == {"FINISHED"}


def drawn() -> str:
    """Return what the preferences show."""
    layout = Layout()
    context = SimpleNamespace(region=None, preferences=bpy.context.preferences, scene=bpy.context.scene)
    stand_in = SimpleNamespace(
        layout=layout, **{name: getattr(harness.preferences(), name) for name in NAMES}
    )
    type(harness.preferences()).draw(stand_in, context)
    return " ".join(layout.seen)


NAMES = (
    *("engine_python", "accelerator", "wheels", "index", "proxy", "base_python", "device", "hub", "nice"),
    *("library", "show_preview"),
)

# The bundled uv is found where Blender has unpacked it.
uv = harness.module("sync_engine.installer.uv").find_bundled()
assert ".local" in uv.parts, uv
assert Path(bpy.utils.user_resource("EXTENSIONS")) in uv.parents, uv

# Nothing is set up: the preferences show the button, and looking makes no folder.
assert engine_setup.state is State.ABSENT
assert "syncscape.set_up_engine" in drawn()
assert not (user / "engine").exists()
assert preferences.engine_settings().python == ""

# Online access is off: in words.
if not bpy.app.online_access:
    text = harness.error_of(bpy.ops.syncscape.set_up_engine)
    assert "Online access is off" in text, text
    assert "Online access is off" in drawn()
    assert not (user / "engine").exists()

# From a folder of wheels.
harness.preferences().wheels = harness.GIVEN["wheels"]
start = time.perf_counter()
assert bpy.ops.syncscape.set_up_engine() == {"FINISHED"}
seconds = time.perf_counter() - start
assert engine_setup.state is State.READY
python = Path(preferences.engine_settings().python)
assert user / "engine" in python.parents, python
code = "import sys, syncscape_probe; print('%d.%d' % sys.version_info[:2], syncscape_probe.VERSION)"
told = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.split()
assert told == ["{}.{}".format(*sys.version_info), "1.0"], told
shown = drawn()
for words in ("The engine is set up", "syncscape.repair_engine", "syncscape.remove_engine"):
    assert words in shown, shown
assert "syncscape.set_up_engine" not in shown, "no update without a new lock file"

# Without waiting, cancelled, with the timer's steps; the old environment goes on working.
press("repair_engine")
assert module.engine_setup.listening
assert not bpy.ops.syncscape.set_up_engine.poll()
assert "syncscape.cancel_set_up" in drawn()
assert bpy.ops.syncscape.cancel_set_up() == {"FINISHED"}
while engine_setup.tick():
    time.sleep(0.02)
assert engine_setup.state is State.READY
assert Path(preferences.engine_settings().python) == python

# A new version of Syncscape wants other packages.
LOCK.write_text(LOCK.read_text() + "# another lock file\n")
engine_setup.setup.refresh()
assert engine_setup.state is State.OUTDATED
assert "syncscape.set_up_engine" in drawn()
assert bpy.ops.syncscape.set_up_engine() == {"FINISHED"}
assert engine_setup.state is State.READY
assert Path(preferences.engine_settings().python) != python

# One's own environment goes before it.
harness.preferences().engine_python = sys.executable
assert preferences.engine_settings().python == sys.executable
harness.preferences().engine_python = ""

# Remove leaves nothing.
assert bpy.ops.syncscape.remove_engine() == {"FINISHED"}
assert engine_setup.setup.wait(60)
engine_setup.tick()
assert engine_setup.state is State.ABSENT, engine_setup.setup.problem
assert not (user / "engine").exists()
assert preferences.engine_settings().python == ""

# Blender ends while it is built: nothing is left running, and it can be resumed.
press("set_up_engine")
setup = engine_setup.setup
bpy.ops.preferences.addon_disable(module=harness.NAME)
assert not setup.state.at_work
assert not module.engine_setup.listening
harness.tell(seconds=seconds)
harness.leave()
