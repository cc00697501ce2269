# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in a real Blender window: typing, pressing Generate and Cancel, and what the scene gets."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.extension import NAMES, not_here, opened, over_the_view, start
from tests.ui.window import REPO, BlenderWindow

SUITE = os.environ.get("SYNCSCAPE_UI_SUITE", "trixie")
MODEL = os.environ.get("SYNCSCAPE_UI_MODEL", "draft")
OUT = REPO / "out" / "ui"
WHAT = "that the panel's Generate and Cancel work by mouse, that Blender's window stays responsive, "
WHAT += "and that the World is installed and undone"
PROMPT = "desert at sunset, low sun, red rocks"


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderWindow]:
    """A window with the extension installed and its tab opened."""
    reason = not_here(SUITE)
    if reason:
        pytest.skip(f"{reason}. Not checked: {WHAT}.")
    with opened(SUITE, OUT / "user") as window:
        window.run(f"settings.model = {MODEL!r}")
        if MODEL != "draft":
            window.run("settings.method = 'multidiffusion'")
        window.run("time_draws(bpy.types.VIEW3D_PT_syncscape, bpy.types.VIEW3D_PT_syncscape_history)")
        yield window
        print(window.log())  # noqa: T201 - shown by pytest when a test fails


def picture(window: BlenderWindow, name: str) -> Path:
    """Keep a screenshot."""
    time.sleep(0.5)
    return window.screenshot(OUT / f"{name}.png")


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
    start(blender, prompt=PROMPT, world_size="512", steps=100)
    durations = steps_seen(blender, count=3, timeout=600)
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
    start(blender, prompt=PROMPT, world_size="512", steps=0)
    steps_seen(blender, count=3, timeout=600)
    picture(blender, "painting")
    blender.wait_until("link.job is None", timeout=600)
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
    assert blender.run("tuple(image.size)") == [512, 256]
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
    """Measured while the World of the test before was made.

    Wall times are those of a machine that the engine keeps busy, so that the worst ones include
    waiting for a core: the worst is asked of the processor time.
    """
    measured = json.loads((OUT / "measured.json").read_text())["main thread"]
    assert measured["tick_median_ms"] < 3
    assert measured["tick_worst_cpu_ms"] < 10
    assert measured["draw_worst_cpu_ms"] < 30  # with the loading of a preview picture


def test_a_dead_engine_is_told_in_the_panel_and_the_next_generate_works(blender: BlenderWindow) -> None:
    blender.run(NAMES)  # undo has replaced the scene
    start(blender, prompt=PROMPT, world_size="512", steps=100)
    steps_seen(blender, count=1, timeout=600)
    blender.run("import os; os.kill(link._client._run.process.popen.pid, 9)")
    told = blender.wait_until("link.error is not None", timeout=10)
    picture(blender, "engine-died")
    note("crash", told_after_s=told)
    assert told < 1.0
    start(blender, world_size="512", steps=2)
    blender.wait_until("link.job is None", timeout=600)
    assert blender.run("link.error") is None


def times(window: BlenderWindow) -> dict[str, float]:
    """Return how long the extension's timer held the main thread, and how evenly Blender ran."""
    calls = next(value for name, value in window.run("ticks").items() if name.endswith("EngineLink"))
    *running, (installing, _) = calls
    polls, draws = window.run("(polls, draws)")
    gaps = [later - earlier for earlier, later in itertools.pairwise(polls)]
    seconds = {"install": installing, "gap_median": statistics.median(gaps), "gap_worst": max(gaps)}
    for name, pairs in (("tick", running), ("draw", draws)):
        wall, processor = zip(*pairs, strict=True)
        seconds |= {f"{name}_median": statistics.median(wall), f"{name}_worst": max(wall)}
        seconds |= {f"{name}_worst_cpu": max(processor)}
    return {f"{name}_ms": 1000 * value for name, value in seconds.items()}


def note(what: str, **values: float) -> None:
    """Add measured numbers to out/ui/measured.json."""
    path = OUT / "measured.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[what] = {name: round(value, 3) for name, value in values.items()}
    path.write_text(json.dumps(known, indent=2) + "\n")
