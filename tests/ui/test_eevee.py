# SPDX-License-Identifier: GPL-3.0-or-later
"""A World in EEVEE, which needs a window: its sun, its ground and its background are as in Cycles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ui.extension import not_here, opened
from tests.ui.window import REPO

SUITE = os.environ.get("SYNCSCAPE_UI_SUITE", "trixie")
OUT = REPO / "out" / "ui-eevee"
SCRIPTS = REPO / "tests" / "blender" / "scripts"
WHAT = (
    "that EEVEE makes a sun of a World's sun (sun_threshold) and that it throws the shadow that Cycles shows"
)
TIMEOUT_S = 600
"""EEVEE compiles its shaders for the processor first."""


def test_the_sun_throws_the_same_shadow_in_eevee_and_cycles(tmp_path: Path, record_property) -> None:
    reason = not_here(SUITE)
    if reason:
        pytest.skip(f"{reason}. Not checked: {WHAT}.")
    from tests.blender.test_sun_shadow import SUN, worlds

    given, sun = worlds(tmp_path), SUN.tolist()
    with opened(SUITE, OUT / "user", fake=True) as window:
        window.run(
            f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
            "from pathlib import Path\n"
            "from shadow import EEVEE, Ground, darkness\n"
            "from bl_ext.user_default.syncscape.scene import world as world_module\n"
            f"ground = Ground(Path({str(tmp_path / 'ground.exr')!r}))\n"
            f"world = world_module.apply_world(bpy.context.scene, Path({given['sun']['file']!r}), 'day', '', "
            f"rotation=0.0, light={given['sun']['light']!r})"
        )
        cycles = window.run(f"darkness(ground.render('CYCLES', 64), {sun})", TIMEOUT_S)
        eevee = window.run(f"darkness(ground.render(EEVEE, 16), {sun})", TIMEOUT_S)
        window.run("world.sun_threshold = 0.0")
        without = window.run(f"darkness(ground.render(EEVEE, 16), {sun})", TIMEOUT_S)
    for name, value in {"cycles": cycles, "eevee": eevee, "eevee, no sun": without}.items():
        record_property(name, value)
    assert eevee < 0.75
    assert abs(eevee - cycles) < 0.12, (eevee, cycles)
    assert eevee < without - 0.15, "without the threshold EEVEE has no sun"


def test_ground_and_background_in_eevee_are_as_in_cycles(tmp_path: Path, record_property) -> None:
    reason = not_here(SUITE)
    if reason:
        pytest.skip(f"{reason}. Not checked: a shadow on the World's ground in EEVEE.")
    from tests.blender.test_sun_shadow import SUN, worlds

    given, sun = worlds(tmp_path), SUN.tolist()
    with opened(SUITE, OUT / "user", fake=True) as window:
        window.run(
            f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
            "from pathlib import Path\n"
            "from shadow import EEVEE, Ground, darkness\n"
            "from bl_ext.user_default.syncscape.scene import backdrop, ground as ground_module\n"
            "from bl_ext.user_default.syncscape.scene import world as world_module\n"
            f"stage = Ground(Path({str(tmp_path / 'ground.exr')!r}))\n"
            "scene = bpy.context.scene\n"
            f"world = world_module.apply_world(scene, Path({given['sun']['file']!r}), 'day', '', "
            f"rotation=0.0, light={given['sun']['light']!r})\n"
            "for item in list(scene.objects):\n"  # the World's own ground in place of the white one
            "    if item.type == 'MESH' and item.location.z == 0 and item.dimensions.x > 10:\n"
            "        bpy.data.objects.remove(item)\n"
            "disc = ground_module.add(scene, 1.6, 30.0)"
        )
        dark = {}
        for engine, samples in (("'CYCLES'", 64), ("EEVEE", 16)):
            dark[engine] = window.run(f"darkness(stage.render({engine}, {samples}), {sun})", TIMEOUT_S)
        window.run("ground_module.remove(scene); scene.camera.rotation_euler = (1.8, 0.0, 0.0)")
        window.run("scene.camera.data.type = 'PERSP'")
        light = {}
        for engine, samples in (("'CYCLES'", 16), ("EEVEE", 16)):
            before = window.run(f"float(stage.render({engine}, {samples}).mean())", TIMEOUT_S)
            window.run("backdrop.separate(scene); backdrop.sockets(world).exposure.default_value = -1.0")
            after = window.run(f"float(stage.render({engine}, {samples}).mean())", TIMEOUT_S)
            window.run("backdrop.join(world)")
            light[engine] = after / before
    record_property("shadow", dark)
    record_property("background at -1 EV", light)
    assert dark["EEVEE"] < 0.8, "the cube throws its shadow there"
    assert abs(dark["EEVEE"] - dark["'CYCLES'"]) < 0.2, dark
    assert all(abs(share - 0.5) < 0.02 for share in light.values()), light
