# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators ``bpy.ops.syncscape.*``, one family a file."""

from . import (
    apply,
    assets,
    backdrop,
    batch,
    details,
    engine,
    enlarge,
    export,
    generate,
    ground,
    guides,
    image_editor,
    load_settings,
    look,
    loras,
    models,
    presets,
    results,
    scene_depth,
    setup,
    shading,
    sizes,
    sun,
    together,
    turn,
    unfinished,
)

_families = (generate, apply, engine, setup, models, results, assets, turn, sun, presets)
_families += (load_settings, details, loras, backdrop, ground, guides, image_editor, scene_depth, batch)
_families += (enlarge, sizes, together, export, look, shading, unfinished)


def register() -> None:
    """Register all operators."""
    for family in _families:
        family.register()


def unregister() -> None:
    """Remove all operators."""
    for family in reversed(_families):
        family.unregister()
