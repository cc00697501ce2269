"""The operators ``bpy.ops.syncscape.*``, one family a file."""

from . import (
    apply,
    assets,
    details,
    engine,
    generate,
    load_settings,
    loras,
    presets,
    results,
    setup,
    sun,
    turn,
)

_families = (
    generate,
    apply,
    engine,
    setup,
    results,
    assets,
    turn,
    sun,
    presets,
    load_settings,
    details,
    loras,
)


def register() -> None:
    """Register all operators."""
    for family in _families:
        family.register()


def unregister() -> None:
    """Remove all operators."""
    for family in reversed(_families):
        family.unregister()
