# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the pictures of docs/user/guide.md in a real window, from a library of finished results.

    python -m tests.ui.guide_pictures --library FOLDER

``FOLDER`` is copied; make its results with the panel or with ``python -m sync_engine generate``. The
engine is the fake one of the tests: the pictures show the interface, the library what models can do.
Needs ``make zip`` and ``tests/ui/rootfs.sh build``. Without ``--library`` only the picture of the models in
the preferences is made, with the real engine.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from tests.ui.extension import not_here, open_models, opened
from tests.ui.window import REPO, BlenderWindow

PICTURES = REPO / "docs" / "images"
SIZE = (1240, 860)
PROMPT = "desert at sunset, low sun, red rocks"
COLOURS = 96


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--suite", default="trixie", choices=("trixie", "sid"))
    parser.add_argument("--only", nargs="*", metavar="FUNCTION", help="by their names here: look, queue, …")
    options = parser.parse_args()
    reason = not_here(options.suite)
    if reason:
        print(reason, file=sys.stderr)  # noqa: T201
        return 1
    user = REPO / "out" / "ui-guide" / "user"
    if not options.only or "models" in options.only:
        with opened(options.suite, user, SIZE) as window:
            models(window)
    if options.library is None:
        return 0
    with opened(options.suite, user, SIZE, fake=True) as window:
        shutil.copytree(options.library, window.user_folder / "library", dirs_exist_ok=True)
        window.run("space = view()['area'].spaces.active; space.show_region_toolbar = False")
        window.run("bpy.context.window_manager.syncscape_history.kind = 'world'")
        window.run(f"settings.prompt = {PROMPT!r}")
        steps = (
            history,
            look,
            presets_and_styles,
            asset_dialog,
            world_properties,
            asset_browser,
            queue,
            problem,
        )
        for step in steps:
            if not options.only or step.__name__ in options.only:
                step(window)
    return 0


def let_events_run(window: BlenderWindow, seconds: float = 3.0) -> None:
    """Redraw and wait until Blender has drawn what it reads in the background."""
    window.run("[region.tag_redraw() for area in window().screen.areas for region in area.regions]")
    time.sleep(seconds)


def keep(window: BlenderWindow, name: str, box: tuple[int, int, int, int]) -> None:
    """Save a part of the screen as a small PNG."""
    path = window.screenshot(PICTURES / f"{name}.png", box)
    window.inside("convert", path, "-strip", "-colors", COLOURS, "-define", "png:compression-level=9", path)


def sidebar(window: BlenderWindow, wider: int = 0) -> tuple[int, int, int, int]:
    """Return the box of the panel, with so many pixels of the view to its left."""
    left, top, width, height = window.region_box("VIEW_3D", "UI")
    return left - wider, top, width + wider, height


def models(window: BlenderWindow) -> None:
    """The models in the preferences, and what Download asks."""
    open_models(window)
    let_events_run(window)
    x, y = window.find_button("syncscape.download_model", "PREFERENCES", "WINDOW")
    window.click(x, y)
    time.sleep(2.0)
    keep(window, "models", (170, y - 130, 860, 400))
    window.key("Escape")


def history(window: BlenderWindow) -> None:
    """The panel with its history, and the pictures to choose from."""
    let_events_run(window, 5.0)
    keep(window, "history", sidebar(window))
    left, top, width, _ = sidebar(window)
    _, y = window.find_button("syncscape.apply_world")
    window.click(left + width // 2, y - 110)
    time.sleep(4.0)
    keep(window, "history-open", (left - 240, top + 290, window.size[0] - left + 240, 330))
    window.key("Escape")
    time.sleep(1.0)


def look(window: BlenderWindow) -> None:
    """The 360° viewer, turned a little."""
    let_events_run(window, 5.0)
    window.click(*window.find_button("syncscape.look"))
    left, top, width, height = window.region_box("VIEW_3D", "WINDOW")
    x, y = left + width // 3, top + height // 2
    window.drag((x, y), (x - 60, y), (x - 160, y + 20))
    let_events_run(window)
    keep(window, "look", (left, top, width, min(height, 560)))
    window.move(x, y)
    window.key("Escape")
    time.sleep(1.0)


def presets_and_styles(window: BlenderWindow) -> None:
    """The menu of styles beside the prompt."""
    left, top, width, _ = sidebar(window)
    _, y = window.find_field("prompt")
    window.click(left + width - 48, y)
    time.sleep(2.5)
    keep(window, "styles", (left - 20, top, width + 160, 400))
    window.key("Escape")
    time.sleep(1.0)
    window.click(left + width - 62, y - 33)
    time.sleep(2.5)
    keep(window, "presets", (left - 20, top, width + 160, 400))
    window.key("Escape")
    time.sleep(1.0)


def asset_dialog(window: BlenderWindow) -> None:
    """What Save as Asset asks for."""
    x, y = window.find_button("syncscape.save_asset")
    window.click(x, y)
    time.sleep(2.5)
    keep(window, "save-asset", (x - 370, y - 90, 510, 310))
    window.key("Escape")
    time.sleep(1.0)


def world_properties(window: BlenderWindow) -> None:
    """The sub-panel in the World properties."""
    window.run("bpy.ops.syncscape.apply_world()")
    window.run(
        "area = view('PROPERTIES')['area']; area.spaces.active.context = 'WORLD'\n"
        "for name in ('EEVEE_WORLD_PT_surface', 'EEVEE_WORLD_PT_volume', 'EEVEE_WORLD_PT_mist'):\n"
        "    cls = getattr(bpy.types, name, None)\n"
        "    if cls: bpy.utils.unregister_class(cls)"
    )
    let_events_run(window)
    left, top, width, height = window.region_box("PROPERTIES", "WINDOW")
    keep(window, "world-properties", (left, top, width, min(height, 520)))


def asset_browser(window: BlenderWindow) -> None:
    """The asset library in Blender's own browser."""
    window.run(
        "for result in results.library().results[:6]:\n"
        "    if result.kind == 'world':\n"
        "        bpy.ops.syncscape.save_asset(result=result.id, author='Studio', licence='CC0-1.0')\n"
        "bpy.ops.syncscape.register_assets()\n"
        "area = view()['area']; area.ui_type = 'ASSETS'"
    )
    time.sleep(1.0)
    window.run(
        "area = next(a for a in window().screen.areas if a.ui_type == 'ASSETS')\n"
        "area.spaces.active.params.asset_library_reference = 'Syncscape'"
    )
    let_events_run(window, 6.0)
    x, y, width, height = window.run(
        "a = next(a for a in window().screen.areas if a.ui_type == 'ASSETS'); "
        "answer = (a.x, a.y, a.width, a.height)"
    )
    keep(window, "asset-browser", (x, window.size[1] - y - height, min(width, 900), 380))
    window.run("next(a for a in window().screen.areas if a.ui_type == 'ASSETS').ui_type = 'VIEW_3D'")
    time.sleep(1.0)
    window.run("view()['area'].spaces.active.show_region_ui = True")
    let_events_run(window, 1.0)
    window.run("view(region='UI')['region'].active_panel_category = 'Syncscape'")


def queue(window: BlenderWindow) -> None:
    """A job that is painted while others wait."""
    let_events_run(window)
    window.run("settings.prompt = 'slow lake in the mountains'; settings.variations = 4")
    window.click(*window.find_button("syncscape.generate"))
    window.wait_until("link.job is not None and link.job.progress > 0.2", timeout=60)
    let_events_run(window, 1.0)
    left, top, width, height = sidebar(window)
    keep(window, "queue", (left, top, width, min(height, 560)))
    window.run("bpy.ops.syncscape.clear_queue(); bpy.ops.syncscape.cancel()")


def problem(window: BlenderWindow) -> None:
    """An error with its remedy."""
    window.run("settings.prompt = 'fail'; settings.variations = 1")
    window.run("from types import SimpleNamespace")
    let_events_run(window, 1.0)
    window.click(*window.find_button("syncscape.generate"))
    window.wait_until("link.error is not None", timeout=60)
    let_events_run(window, 1.0)
    left, top, width, height = sidebar(window)
    keep(window, "problem", (left, top, width, min(height, 420)))


if __name__ == "__main__":
    raise SystemExit(main())
