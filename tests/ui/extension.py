# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension in a real Blender window: installed from its zip, with its engine, its tab open."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ui.window import REPO, BlenderWindow, missing

FAKE_ENGINE = REPO / "tests" / "blender" / "fake_engine.py"
NAMES = """
from bl_ext.user_default.syncscape.engine.library import results
from bl_ext.user_default.syncscape.engine.link import link
settings = bpy.context.scene.syncscape
preferences = bpy.context.preferences.addons["bl_ext.user_default.syncscape"].preferences
"""
PREFERENCES = """
from bl_ext.user_default.syncscape.engine.models import engine_models
bpy.context.preferences.system.use_online_access = True
area = view()["area"]
area.ui_type = "PREFERENCES"
bpy.context.preferences.active_section = "ADDONS"
bpy.context.window_manager.addon_search = "Syncscape"
bpy.ops.preferences.addon_expand(module="bl_ext.user_default.syncscape")
"""


def not_here(suite: str) -> str | None:
    """Return why the extension cannot be opened in a window here, or None."""
    return missing(suite) or (None if _archives() else "the extension is not built: run make zip")


@contextmanager
def opened(
    suite: str, user: Path, size: tuple[int, int] = (1440, 900), fake: bool = False, engine: bool = True
) -> Iterator[BlenderWindow]:
    """Open Blender with a new user folder in which the extension is installed and has an engine.

    With ``fake`` the engine is ``tests/blender/fake_engine.py``: quick, and without a model. Without
    ``engine`` there is none: the first run.
    """
    shutil.rmtree(user, ignore_errors=True)
    with BlenderWindow(suite, user, size) as window:
        window.run(
            f"bpy.ops.extensions.package_install_files(filepath={str(_archives()[-1])!r}, "
            "repo='user_default', enable_on_install=True)"
        )
        window.run(NAMES)
        if engine:
            window.run(f"preferences.engine_python = {str(_engine_python(user, fake))!r}")
        window.run(f"preferences.library = {str(user / 'library')!r}")
        _open_tab(window)
        yield window


def start(window: BlenderWindow, **values: object) -> None:
    """Set properties of the scene's settings and press Generate."""
    for name, value in values.items():
        window.run(f"settings.{name} = {value!r}")
    window.click(*window.find_button("syncscape.generate"))
    window.wait_until("link.job is not None", timeout=10)


def open_models(window: BlenderWindow) -> None:
    """Show the extension's preferences in place of the 3D view, and open Models there with the mouse."""
    window.run(PREFERENCES)
    time.sleep(1.0)
    x, y = window.find_field("device", "PREFERENCES", "WINDOW")
    window.click(x, y - 24)  # the heading above it, closed at first
    window.wait_until("engine_models.store() is not None and engine_models.store().rows is not None", 60)


def over_the_view(window: BlenderWindow) -> None:
    """Put the mouse over the 3D view, where Ctrl-Z means undo."""
    left, top, width, height = window.region_box("VIEW_3D", "WINDOW")
    window.move(left + width // 3, top + height * 2 // 3)
    time.sleep(0.2)


def _archives() -> list[Path]:
    return sorted((REPO / "dist").glob("syncscape-*linux_x64.zip"))


def _engine_python(folder: Path, fake: bool) -> Path:
    """Write a program for Blender's root that runs this Python among the host's own files."""
    program = folder / "engine-python"
    command = f"{sys.executable} {FAKE_ENGINE}" if fake else sys.executable
    program.write_text(f'#!/bin/sh\nexec chroot /host {command} "$@"\n')
    program.chmod(0o755)
    return program


def _open_tab(window: BlenderWindow) -> None:
    window.run("view()['area'].spaces.active.show_region_ui = True")
    for _ in range(20):  # the tabs are known once the sidebar has been drawn
        time.sleep(0.5)
        window.run("view(region='UI')['region'].active_panel_category = 'Syncscape'")
        window.run("view()['area'].tag_redraw()")
        if window.run("view(region='UI')['region'].active_panel_category") == "Syncscape":
            break
    time.sleep(0.5)
