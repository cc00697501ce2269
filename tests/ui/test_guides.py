# SPDX-License-Identifier: GPL-3.0-or-later
"""Guides in a real Blender window: their outlines in the viewport."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.ui.extension import not_here, opened
from tests.ui.window import REPO, BlenderWindow

SUITE = os.environ.get("SYNCSCAPE_UI_SUITE", "trixie")
OUT = REPO / "out" / "ui-guides"
WHAT = "that guides are drawn in the viewport"


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderWindow]:
    """A window with the extension."""
    reason = not_here(SUITE)
    if reason:
        pytest.skip(f"{reason}. Not checked: {WHAT}.")
    with opened(SUITE, OUT / "user", fake=True) as window:
        yield window
        print(window.log())  # noqa: T201 - shown by pytest when a test fails


def test_outlines_are_drawn_where_there_are_guides(blender: BlenderWindow) -> None:
    before = blender.screenshot(OUT / "without.png").read_bytes()
    blender.run("bpy.ops.syncscape.add_guide(kind='region')")
    blender.run("settings.guides[0].prompt = 'a stone church'")
    blender.run("bpy.ops.syncscape.add_guide(kind='picture')")
    blender.run("settings.guides[1].target.location.x += 6")
    blender.run("settings.guides[1].fov = 0.5")
    blender.run("[r.tag_redraw() for a in window().screen.areas for r in a.regions]")
    time.sleep(1.0)
    assert blender.screenshot(OUT / "outlines.png").read_bytes() != before
    assert "Traceback" not in blender.log()
