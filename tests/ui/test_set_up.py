# SPDX-License-Identifier: GPL-3.0-or-later
"""The first run in a real Blender window: the one button, its progress, cancel, resume, the first World."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.extension import not_here, opened, start
from tests.ui.window import REPO, ROOTFS, BlenderWindow

SUITE = os.environ.get("SYNCSCAPE_UI_SUITE", "trixie")
OUT = REPO / "out" / "ui"
WHEELS = REPO / ".build" / "engine-wheels"
WHAT = "that Set Up Engine works by mouse, shows its progress, is cancelled and resumed, and leads to a World"
NAMES = """
from bl_ext.user_default.syncscape.engine.environment import engine_setup
def set_up():
    return engine_setup.state.name
"""


def _python() -> str:
    """Return a Python that the wheels are for; Debian's Blender has a newer one."""
    return str(Path(sys.base_prefix) / "bin" / "python3.11")


def _why_not() -> str | None:
    reason = not_here(SUITE)
    if reason:
        return reason
    if not (WHEELS / ".done").exists():
        return "no folder of wheels: make .build/engine-wheels/.done"
    tried = subprocess.run([str(ROOTFS), "enter", SUITE, _python(), "-c", "import ssl"], capture_output=True)
    return f"{_python()} does not run in the Debian root" if tried.returncode else None


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderWindow]:
    """A window with the extension just installed."""
    before = os.environ.get("SYNCSCAPE_WINDOW_ALSO")
    os.environ["SYNCSCAPE_WINDOW_ALSO"] = sys.base_prefix
    try:
        reason = _why_not()
        if reason:
            pytest.skip(f"{reason}. Not checked: {WHAT}.")
        with opened(SUITE, OUT / "first-run", engine=False) as window:
            window.run(NAMES)
            yield window
            print(window.log())  # noqa: T201 - shown by pytest when a test fails
    finally:
        os.environ.pop("SYNCSCAPE_WINDOW_ALSO")
        if before is not None:
            os.environ["SYNCSCAPE_WINDOW_ALSO"] = before


def picture(window: BlenderWindow, name: str) -> None:
    """Keep a screenshot."""
    time.sleep(0.5)
    window.screenshot(OUT / f"{name}.png")


def test_without_an_engine_there_is_one_button(blender: BlenderWindow) -> None:
    picture(blender, "first-run")
    blender.find_button("syncscape.set_up_engine")
    assert not blender.run("bpy.ops.syncscape.generate.poll()")


def test_set_up_is_cancelled_and_resumed(blender: BlenderWindow) -> None:
    blender.run(f"preferences.wheels = {f'/host{WHEELS.resolve()}'!r}")
    blender.run(f"preferences.base_python = {_python()!r}")
    blender.run("preferences.accelerator = 'cpu'")
    blender.run("view()['area'].tag_redraw()")
    blender.click(*blender.find_button("syncscape.set_up_engine"))
    blender.wait_until("engine_setup.setup.stage.name == 'INSTALL'", timeout=60)
    picture(blender, "set-up-progress")
    if blender.run("set_up()") == "BUILDING":  # a quick machine may be through
        blender.run("bpy.ops.syncscape.cancel_set_up.poll() and bpy.ops.syncscape.cancel_set_up()")
        blender.wait_until("set_up() != 'BUILDING'", timeout=30)
        picture(blender, "set-up-cancelled")
        if blender.run("set_up()") == "PARTIAL":
            blender.click(*blender.find_button("syncscape.set_up_engine"))
    blender.wait_until("set_up() == 'READY'", timeout=600)
    picture(blender, "set-up-done")
    blender.find_button("syncscape.generate")


def test_the_first_world(blender: BlenderWindow) -> None:
    before = blender.run("bpy.context.scene.world.name")
    start(blender, prompt="desert at sunset, clear sky", world_size="512")
    blender.wait_until("link.job is None", timeout=600)
    assert blender.run("link.error") is None
    assert blender.run("bpy.context.scene.world.name") != before
    picture(blender, "first-world")


def test_the_preferences_say_what_works(blender: BlenderWindow) -> None:
    blender.run("bpy.ops.preferences.addon_show(module='bl_ext.user_default.syncscape')")
    time.sleep(2)
    picture(blender, "preferences")
    blender.run("bpy.ops.syncscape.remove_engine('EXEC_DEFAULT')")
    blender.wait_until("set_up() == 'ABSENT'", timeout=60)
    assert not list((OUT / "first-run").rglob("env-*"))
    picture(blender, "preferences-removed")
    assert "Traceback" not in blender.log()
    assert "Deprecat" not in blender.log()
