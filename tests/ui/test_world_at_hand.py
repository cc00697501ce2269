# SPDX-License-Identifier: GPL-3.0-or-later
"""Every button of a World at hand, pressed in a real window: look, larger, size, background, ground."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from tests.ui.extension import NAMES, not_here, opened, over_the_view, start
from tests.ui.window import REPO, BlenderWindow

SUITE = "trixie"
OUT = REPO / "out" / "ui-at-hand"
WHAT = "that the buttons on a World and its result work by mouse, and that the 360° viewer turns and saves"
SIZE = (1280, 1000)
MODAL = "[operator.bl_idname for operator in window().modal_operators]"
DRAWS_MS = 5.0


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderWindow]:
    """A window with the extension, the fake engine, and one World that lights the scene."""
    reason = not_here(SUITE)
    if reason:
        pytest.skip(f"{reason}. Not checked: {WHAT}.")
    with opened(SUITE, OUT / "user", SIZE, fake=True) as window:
        window.run("time_draws(bpy.types.WORLD_PT_syncscape, bpy.types.VIEW3D_PT_syncscape_history)")
        start(window, prompt="valley", world_size="512")
        window.wait_until("link.job is None and bool(bpy.context.scene.world.get('syncscape_result'))", 60)
        window.run("area = view('PROPERTIES')['area']; area.spaces.active.context = 'WORLD'")
        window.run(
            "for name in ('EEVEE_WORLD_PT_surface', 'EEVEE_WORLD_PT_volume', 'EEVEE_WORLD_PT_mist'):\n"
            "    cls = getattr(bpy.types, name, None)\n"
            "    if cls: bpy.utils.unregister_class(cls)"
        )
        yield window
        print(window.log())  # noqa: T201 - shown by pytest when a test fails


def press(window: BlenderWindow, command: str, kind: str = "VIEW_3D", region: str = "UI") -> None:
    window.click(*window.find_button(command, kind, region))
    time.sleep(0.5)


def press_world(window: BlenderWindow, command: str) -> None:
    press(window, command, "PROPERTIES", "WINDOW")


def test_look_turns_zooms_saves_a_plate_and_leaves(blender: BlenderWindow) -> None:
    press(blender, "syncscape.look")
    assert "SYNCSCAPE_OT_look" in blender.run(MODAL)
    left, top, width, height = blender.region_box("VIEW_3D", "WINDOW")
    middle = (left + width // 3, top + height // 2)
    before = blender.screenshot(OUT / "look.png", (left, top, width, height)).read_bytes()
    blender.drag(middle, (middle[0] + 60, middle[1]), (middle[0] + 150, middle[1] + 30))
    blender.move(*middle)
    blender.inside("xdotool", "click", 4)
    time.sleep(1.0)
    after = blender.screenshot(OUT / "look-turned.png", (left, top, width, height)).read_bytes()
    assert before != after
    plates = len(blender.run("[result.id for result in results.library().find('plate', '')]"))
    blender.key("Return")
    time.sleep(3.0)
    blender.run("results.forget()")
    blender.wait_until(f"len(results.library().find('plate', '')) == {plates + 1}", 20)
    blender.key("Escape")
    time.sleep(0.5)
    assert "SYNCSCAPE_OT_look" not in blender.run(MODAL)


def test_larger_takes_the_place_of_the_smaller(blender: BlenderWindow) -> None:
    blender.run(NAMES)
    blender.run("bpy.context.window_manager.syncscape_history.kind = 'world'")
    press(blender, "syncscape.enlarge")
    blender.screenshot(OUT / "enlarge.png")
    blender.key("Return")
    blender.wait_until("link.job is None and len(results.library().find('world', '')) == 2", 120)
    size = "tuple(bpy.context.scene.world.node_tree.nodes['Environment Texture'].image.size)"
    blender.wait_until(f"{size} == (2048, 1024)", 20)
    over_the_view(blender)
    blender.key("ctrl+z")
    blender.wait_until(f"{size} == (512, 256)", 20)
    blender.run(NAMES)
    press(blender, "syncscape.swap_picture")
    blender.wait_until(f"{size} == (2048, 1024)", 20)


def test_size_background_and_ground_by_mouse(blender: BlenderWindow) -> None:
    blender.run("clear_times()")
    press_world(blender, "syncscape.world_size")
    blender.screenshot(OUT / "size.png")
    blender.key("Return")
    time.sleep(0.5)
    blender.run("bpy.ops.syncscape.world_size(viewport='1024', render='0')")
    assert blender.run("bpy.context.scene.world.node_tree.nodes['Environment Texture'].image.size[0]") == 1024
    press_world(blender, "syncscape.separate_backdrop")
    assert "Syncscape Backdrop Camera or Light" in blender.run(
        "[node.name for node in bpy.context.scene.world.node_tree.nodes]"
    )
    press_world(blender, "syncscape.blur_backdrop")
    blender.screenshot(OUT / "world-properties.png")
    press_world(blender, "syncscape.join_backdrop")
    press_world(blender, "syncscape.add_ground")
    assert "Syncscape Ground" in blender.run("[item.name for item in bpy.context.scene.objects]")
    press_world(blender, "syncscape.remove_ground")
    assert "Syncscape Ground" not in blender.run("[item.name for item in bpy.context.scene.objects]")
    press_world(blender, "syncscape.pack_pictures")
    assert blender.run("all(i.packed_file for i in bpy.data.images if i.get('syncscape_result') and i.users)")
    busy = [1000 * processor for _wall, processor in blender.run("draws")]
    assert statistics.median(busy) < 3 * DRAWS_MS, busy  # on a machine that does other work too


def test_export_asks_where_and_show_in_viewport_shows(blender: BlenderWindow) -> None:
    press(blender, "syncscape.export")
    blender.wait_until("any(a.type == 'FILE_BROWSER' for w in bpy.context.window_manager.windows "
                       "for a in w.screen.areas)", 20)  # fmt: skip
    blender.screenshot(OUT / "export.png")
    blender.key("Escape")
    time.sleep(1.0)
    press(blender, "syncscape.show_in_viewport")
    shading = blender.run("s = view()['area'].spaces.active.shading; answer = (s.type, s.use_scene_world)")
    assert shading == ["MATERIAL", True]
