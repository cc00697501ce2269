"""The panel in a real Blender window: typing, pressing Generate and Cancel, and what the scene gets."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.window import REPO, BlenderWindow, missing

SUITE = os.environ.get("SYNCSCAPE_UI_SUITE", "trixie")
MODEL = os.environ.get("SYNCSCAPE_UI_MODEL", "draft")
OUT = REPO / "out" / "ui"
WHAT = "that the panel's Generate and Cancel work by mouse, that Blender's window stays responsive, "
WHAT += "and that the World is installed and undone"
NAMES = """
from bl_ext.user_default.syncscape.engine_link import link
settings = bpy.context.scene.syncscape
preferences = bpy.context.preferences.addons["bl_ext.user_default.syncscape"].preferences
"""
PROMPT = "desert at sunset, low sun, red rocks"


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderWindow]:
    """A window with the extension installed from its zip, and its tab opened."""
    reason = missing(SUITE)
    archives = sorted((REPO / "dist").glob("syncscape-*.zip"))
    if reason is None and not archives:
        reason = "the extension is not built: run make extension"
    if reason:
        pytest.skip(f"{reason}. Not checked: {WHAT}.")
    user = OUT / "user"
    shutil.rmtree(user, ignore_errors=True)
    with BlenderWindow(SUITE, user, (1440, 900)) as window:
        window.run(
            f"bpy.ops.extensions.package_install_files(filepath={str(archives[-1])!r}, "
            "repo='user_default', enable_on_install=True)"
        )
        window.run(NAMES)
        window.run(f"preferences.engine_python = {str(engine_python(user))!r}")
        window.run(f"preferences.library = {str(user / 'library')!r}")
        window.run(f"settings.model = {MODEL!r}")
        if MODEL != "draft":
            window.run("settings.method = 'multidiffusion'")
        open_tab(window)
        yield window
        print(window.log())  # noqa: T201 - shown by pytest when a test fails


def engine_python(folder: Path) -> Path:
    """Write a program for Blender's root that runs this Python among the host's own files."""
    program = folder / "engine-python"
    program.write_text(f'#!/bin/sh\nexec chroot /host {sys.executable} "$@"\n')
    program.chmod(0o755)
    return program


def open_tab(window: BlenderWindow) -> None:
    """Show the sidebar with the tab Syncscape, wide enough to read."""
    window.run("view()['area'].spaces.active.show_region_ui = True")
    time.sleep(1.0)
    window.run("view(region='UI')['region'].active_panel_category = 'Syncscape'")
    time.sleep(1.0)
    left, top, _, height = window.region_box("VIEW_3D", "UI")
    window.drag((left + 1, top + height - 40), (left - 60, top + height - 40))
    time.sleep(0.5)


def picture(window: BlenderWindow, name: str) -> Path:
    """Keep a screenshot."""
    time.sleep(0.5)
    return window.screenshot(OUT / f"{name}.png")


def start(window: BlenderWindow, **values: object) -> None:
    """Set properties of the scene's settings and press Generate."""
    for name, value in values.items():
        window.run(f"settings.{name} = {value!r}")
    window.click(*window.find_button("syncscape.generate"))
    window.wait_until("link.job is not None", timeout=10)


def steps_seen(window: BlenderWindow, count: int, timeout: float) -> list[float]:
    """Watch a job until ``count`` denoising steps have ended; return how long each took."""
    times, last, deadline = [], 0, time.monotonic() + timeout
    while len(times) <= count:
        assert time.monotonic() < deadline, window.run("(link.error, link.job, link._client.log_tail(9))")
        stage, step = window.run("(link.job.stage, link.job.step) if link.job else ('gone', 0)")
        assert stage != "gone", window.run("str(link.error)")
        if stage == "denoise" and step > last:
            last = step
            times.append(time.monotonic())
        time.sleep(0.03)
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_the_panel_shows_and_takes_a_typed_prompt(blender: BlenderWindow) -> None:
    picture(blender, "panel-empty")
    x, y = blender.find_field("prompt")
    blender.click(x, y)
    blender.click(x, y)
    blender.key("ctrl+a")
    blender.type(PROMPT)
    blender.key("Return")
    time.sleep(0.5)
    assert blender.run("settings.prompt") == PROMPT
    picture(blender, "panel-ready")


def test_an_empty_prompt_disables_the_button_and_says_why(blender: BlenderWindow) -> None:
    blender.run("settings.prompt = ''")
    x, y = blender.find_button("syncscape.generate")
    blender.move(x, y)
    time.sleep(2.0)
    picture(blender, "why-disabled")
    assert not blender.run("bpy.ops.syncscape.generate.poll()")
    blender.click(x, y)
    time.sleep(0.5)
    assert blender.run("link.job is None")


def test_cancel_frees_the_window_at_once_and_the_engine_soon(blender: BlenderWindow) -> None:
    start(blender, prompt=PROMPT, world_size="2048", steps=100)
    durations = steps_seen(blender, count=4, timeout=180)
    picture(blender, "progress")
    assert 0.0 < blender.run("link.job.progress") < 1.0
    button = blender.find_button("syncscape.cancel")
    pressed = time.monotonic()
    blender.click(*button)
    blender.wait_until("link.job is None", timeout=5)
    free = time.monotonic() - pressed
    blender.wait_until("link.state.name == 'READY'", timeout=60)
    ready = time.monotonic() - pressed
    picture(blender, "cancelled")
    note("cancel", window_free_s=free, engine_ready_s=ready, longest_step_s=max(durations))
    assert free < 1.5  # half a second of it is the mouse
    assert ready < max(durations) + 0.5 + 0.5
    assert not list((OUT / "user" / "library").glob("*/spec.json"))


def test_generate_installs_a_world_that_one_undo_removes(blender: BlenderWindow) -> None:
    before = blender.run("bpy.context.scene.world.name")
    blender.run("clear_times()")
    start(blender, prompt=PROMPT, world_size="1024", steps=0)
    steps_seen(blender, count=5, timeout=180)
    picture(blender, "painting")
    blender.wait_until("link.job is None", timeout=300)
    assert blender.run("link.error") is None
    note("main thread", **times(blender))
    picture(blender, "done")
    assert blender.run("[node.bl_idname for node in bpy.context.scene.world.node_tree.nodes]") == [
        "ShaderNodeTexCoord",
        "ShaderNodeMapping",
        "ShaderNodeTexEnvironment",
        "ShaderNodeBackground",
        "ShaderNodeOutputWorld",
    ]
    blender.run("image = bpy.context.scene.world.node_tree.nodes['Environment Texture'].image")
    assert blender.run("tuple(image.size)") == [1024, 512]
    assert blender.run("image.is_float")
    assert blender.run("image.colorspace_settings.name") == "Linear Rec.709"
    installed = blender.run("bpy.context.scene.world.name")
    assert installed != before

    over_the_view(blender)
    blender.key("ctrl+z")
    blender.wait_until(f"bpy.context.scene.world.name == {before!r}", timeout=10)
    assert installed not in blender.run("[world.name for world in bpy.data.worlds]")
    assert blender.run("bpy.context.scene.syncscape.prompt") == PROMPT
    blender.key("ctrl+shift+z")
    blender.wait_until(f"bpy.context.scene.world.name == {installed!r}", timeout=10)


def test_the_main_thread_stays_free(blender: BlenderWindow) -> None:
    measured = json.loads((OUT / "measured.json").read_text())["main thread"]
    assert measured["tick_median_ms"] < 3
    assert measured["tick_worst_ms"] < 10


def test_a_dead_engine_is_told_in_the_panel_and_the_next_generate_works(blender: BlenderWindow) -> None:
    blender.run(NAMES)  # undo has replaced the scene
    start(blender, prompt=PROMPT, world_size="1024", steps=100)
    steps_seen(blender, count=1, timeout=180)
    blender.run("import os; os.kill(link._client._process.popen.pid, 9)")
    told = blender.wait_until("link.error is not None", timeout=10)
    picture(blender, "engine-died")
    note("crash", told_after_s=told)
    assert told < 1.0
    start(blender, world_size="512", steps=2)
    blender.wait_until("link.job is None", timeout=300)
    assert blender.run("link.error") is None


def over_the_view(window: BlenderWindow) -> None:
    """Put the mouse over the 3D view, where Ctrl-Z means undo."""
    left, top, width, height = window.region_box("VIEW_3D", "WINDOW")
    window.move(left + width // 3, top + height * 2 // 3)
    time.sleep(0.2)


def times(window: BlenderWindow) -> dict[str, float]:
    """Return how long the extension's timer held the main thread, and how evenly Blender ran."""
    calls = next(value for name, value in window.run("ticks").items() if name.endswith("engine_link._timer"))
    polls = window.run("polls")
    *running, last = [1000 * length for _, length in calls]
    gaps = [1000 * (later - earlier) for earlier, later in itertools.pairwise(polls)]
    return {
        "ticks": len(running),
        "tick_median_ms": statistics.median(running),
        "tick_worst_ms": max(running),
        "install_ms": last,
        "gap_median_ms": statistics.median(gaps),
        "gap_worst_ms": max(gaps),
    }


def note(what: str, **values: float) -> None:
    """Add measured numbers to out/ui/measured.json."""
    path = OUT / "measured.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[what] = {name: round(value, 3) for name, value in values.items()}
    path.write_text(json.dumps(known, indent=2) + "\n")
