# SPDX-License-Identifier: GPL-3.0-or-later
"""The studio in a real Blender window: a long history, languages, and an unfinished World beside a render."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Iterator

import pytest

from benchmarks.history_panel import make_library
from tests.ui.extension import NAMES, not_here, opened, start
from tests.ui.window import REPO, BlenderWindow

SUITE = os.environ.get("SYNCSCAPE_UI_SUITE", "trixie")
OUT = REPO / "out" / "ui-studio"
WHAT = "that a history of 1,000 pictures draws quickly, that the panel speaks German and Chinese, and that a "
WHAT += "render started while a World is previewed uses the scene's own World"


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderWindow]:
    """A window with the extension, the fake engine, and a library of 1,000 results."""
    reason = not_here(SUITE)
    if reason:
        pytest.skip(f"{reason}. Not checked: {WHAT}.")
    with opened(SUITE, OUT / "user", fake=True) as window:
        make_library(OUT / "library", 1000)
        window.run("time_draws(bpy.types.VIEW3D_PT_syncscape_history)")
        window.run(f"preferences.library = {str(OUT / 'library')!r}")
        yield window
        print(window.log())  # noqa: T201 - shown by pytest when a test fails


def redraw(window: BlenderWindow) -> None:
    window.run("[region.tag_redraw() for region in view()['area'].regions]")
    time.sleep(0.2)


def test_a_long_history_draws_at_once_and_is_read_by_and_by(blender: BlenderWindow) -> None:
    blender.run("clear_times()")
    for _ in range(20):
        redraw(blender)
    blender.wait_until("results.library().complete", timeout=120)
    assert blender.run("len(results.library().results)") == 1000
    for _ in range(10):
        redraw(blender)
    blender.screenshot(OUT / "long-history.png")
    busy = [processor for _wall, processor in blender.run("draws")]
    assert len(busy) > 10
    # the limit is 5 ms (benchmarks/history_panel.py); a slow, busy machine took 6
    assert statistics.median(busy) < 0.015, busy
    assert max(busy) < 0.15, "even the first one, that lists the folder, and the one that makes a page"


@pytest.mark.parametrize(
    ("language", "label"), [("de_DE", "Als Welt einsetzen"), ("zh_HANS", "应用为世界环境")]
)
def test_the_panel_in_another_language(blender: BlenderWindow, language: str, label: str) -> None:
    blender.run(f"bpy.context.preferences.view.language = {language!r}")
    try:
        name = "bpy.ops.syncscape.apply_world.get_rna_type().name"
        assert blender.run(f"bpy.app.translations.pgettext_iface({name}, 'Operator')") == label
        redraw(blender)
        time.sleep(3.0)
        blender.screenshot(OUT / f"panel-{language}.png")
    finally:
        blender.run("bpy.context.preferences.view.language = 'en_US'")


def test_a_render_meanwhile_has_the_scenes_own_world(blender: BlenderWindow) -> None:
    blender.run(NAMES)
    blender.run(
        "scene = bpy.context.scene; scene.render.engine = 'CYCLES'; scene.cycles.samples = 1; "
        "scene.render.resolution_x = scene.render.resolution_y = 16; scene.cycles.use_denoising = False; "
        "bpy.context.preferences.view.render_display_type = 'NONE'; own = scene.world.name"
    )
    blender.run("[bpy.data.objects.remove(item) for item in bpy.data.objects if item.type == 'MESH']")
    blender.run(
        "answer = None\n"
        "worlds = []\n"
        "def note(scene, *_): worlds.append(scene.world.name)\n"
        "bpy.app.handlers.render_pre.append(note)"
    )
    start(blender, prompt="slow lake", world_size="512", live_world=True, apply_when_done=False)
    blender.wait_until("bpy.context.scene.world.name != own", timeout=60)
    blender.screenshot(OUT / "live-world.png")
    left, top, width, height = blender.region_box("VIEW_3D", "WINDOW")
    blender.move(left + width // 3, top + height // 2)
    blender.key("F12")
    blender.wait_until("len(worlds) > 0", timeout=60)
    assert blender.run("worlds") == [blender.run("own")]
    blender.wait_until("not bpy.app.is_job_running('RENDER')", timeout=120)
    blender.screenshot(OUT / "rendered.png")
    blender.key("Escape")
    blender.run("link.job and link.job.cancel()")
    blender.wait_until("bpy.context.scene.world.name == own", timeout=10)
    assert blender.run("[world.name for world in bpy.data.worlds if 'Preview' in world.name]") == []


def test_a_world_is_dragged_from_the_asset_browser(blender: BlenderWindow) -> None:
    blender.run(
        "job = link.generate(settings.to_spec().__class__('dragged valley', width=512)); job.wait(60)\n"
        "link.run_callbacks(); bpy.ops.syncscape.save_asset(result=job.id)\n"
        "bpy.ops.syncscape.register_assets()\n"
        "with bpy.context.temp_override(**view()):\n"
        "    bpy.ops.screen.area_split(direction='HORIZONTAL', factor=0.4)"
    )
    time.sleep(1.0)
    views = "[area for area in window().screen.areas if area.type == 'VIEW_3D']"
    blender.run(f"min({views}, key=lambda area: area.y).ui_type = 'ASSETS'")
    time.sleep(1.0)
    browser = "next(area for area in window().screen.areas if area.ui_type == 'ASSETS')"
    blender.run(f"{browser}.spaces.active.params.asset_library_reference = 'Syncscape'")
    region = f"next(region for region in {browser}.regions if region.type == 'WINDOW')"
    x, y, _, height = blender.run(f"(lambda r: (r.x, r.y, r.width, r.height))({region})")
    x, y = x + 60, blender.size[1] - y - height + 50
    click_until_chosen(blender, x, y, "dragged valley")
    left, top, width, height = blender.region_box("VIEW_3D", "WINDOW")
    middle = (left + width // 3, top + height // 2)
    try:
        for _ in range(3):  # on a busy machine the window may lose a drag
            blender.drag((x, y), (x + 10, y - 10), (x + 60, y - 80), (middle[0], middle[1] + 40), middle)
            with contextlib.suppress(TimeoutError):
                blender.wait_until("bpy.context.scene.world.name == 'dragged valley'", timeout=10)
                break
    finally:
        blender.screenshot(OUT / "dragged.png")
    assert blender.run("bpy.context.scene.world.name") == "dragged valley"
    assert blender.run("bpy.context.scene.world.node_tree.nodes['Environment Texture'].image.size[0]") == 512


def click_until_chosen(blender: BlenderWindow, x: int, y: int, name: str) -> None:
    """Click at an asset's place until it is chosen: the browser reads its library in the background."""
    blender.run(
        "def chosen():\n"
        "    area = next(area for area in window().screen.areas if area.ui_type == 'ASSETS')\n"
        "    region = next(region for region in area.regions if region.type == 'WINDOW')\n"
        "    with bpy.context.temp_override(window=window(), area=area, region=region):\n"
        "        return [asset.name for asset in bpy.context.selected_assets or []]"
    )
    for _ in range(60):
        blender.click(x, y)
        time.sleep(1.0)
        if blender.run("chosen()") == [name]:
            return
    raise TimeoutError(f"the asset {name} does not appear: {blender.run('chosen()')}")
