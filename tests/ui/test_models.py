# SPDX-License-Identifier: GPL-3.0-or-later
"""The models in the preferences of a real Blender window, by mouse, from a hub on this computer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.small_models import tiny
from tests.small_models.fake_hub import REVISION, FakeHub
from tests.ui.extension import not_here, open_models, opened
from tests.ui.window import REPO, BlenderWindow

SUITE = os.environ.get("SYNCSCAPE_UI_SUITE", "trixie")
OUT = REPO / "out" / "ui-models"
WHAT = "that the list of models opens, asks before a download, verifies and removes by mouse"
PLACE = ("PREFERENCES", "WINDOW")
NAMES = """
import os
def idle():
    return not engine_models.busy
def row(source):
    rows = engine_models.store().rows or ()
    return next((row.state for row in rows if row.source == source), "")
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHub]:
    """A hub with one tiny model."""
    folder = tmp_path_factory.mktemp("hub")
    tiny.build(folder / "repository")
    with FakeHub(folder / "repository") as server:
        yield server


@pytest.fixture(scope="module")
def blender(hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlenderWindow]:
    """A window that shows the extension's preferences; models go to a folder of this test."""
    reason = not_here(SUITE)
    if reason:
        pytest.skip(f"{reason}. Not checked: {WHAT}.")
    models = tmp_path_factory.mktemp("models")
    with opened(SUITE, OUT / "user", (1440, 1000)) as window:
        window.run(NAMES)
        for name, value in {"SYNCSCAPE_MODELS": models / "own", "HF_HUB_CACHE": models / "cache"}.items():
            window.run(f"os.environ[{name!r}] = {str(value)!r}")
        window.run(f"preferences.hub = {hub.url!r}")
        yield window
        print(window.log())  # noqa: T201 - shown by pytest when a test fails


def picture(window: BlenderWindow, name: str) -> Path:
    window.run("view('PREFERENCES')['area'].tag_redraw()")
    time.sleep(1.0)
    return window.screenshot(OUT / f"{name}.png")


def press(window: BlenderWindow, command: str) -> None:
    window.click(*window.find_button(command, *PLACE))
    time.sleep(1.0)


def test_the_models_are_listed_under_their_heading(blender: BlenderWindow) -> None:
    open_models(blender)
    assert "draft" in blender.run("[row.name for row in engine_models.store().rows]")
    picture(blender, "models")
    press(blender, "syncscape.list_models")
    blender.wait_until("idle()", 60)


def test_a_download_asks_first(blender: BlenderWindow, hub: FakeHub) -> None:
    press(blender, "syncscape.download_model")
    picture(blender, "models-download")
    blender.key("Escape")
    time.sleep(0.5)
    assert blender.run("idle()")
    assert not hub.hub_requests, "nothing was asked of the hub"


def test_a_model_is_verified_and_removed(blender: BlenderWindow) -> None:
    blender.run(f"bpy.ops.syncscape.download_model('EXEC_DEFAULT', model='owner/tiny@{REVISION}')")
    blender.wait_until("idle()", 120)
    assert blender.run("row('owner/tiny')") == "here"
    picture(blender, "models-here")
    weights = max(
        Path(blender.run("os.environ['SYNCSCAPE_MODELS']")).rglob("*.safetensors"),
        key=lambda file: file.stat().st_size,
    )
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # so that Verify has something to say
    press(blender, "syncscape.verify_model")
    blender.wait_until("idle() and engine_models.store().problem is not None", 60)
    press(blender, "syncscape.remove_model")
    picture(blender, "models-remove")
    blender.key("Return")
    blender.wait_until("row('owner/tiny') == ''", 60)
    picture(blender, "models-removed")
    assert blender.run("engine_models.store().problem") is None
    assert "Traceback" not in blender.log()
