# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sees: panels that draw the state and decide nothing."""

from . import guides, history, image_editor, outlines, presets, previews, view3d, world

_families = (previews, presets, view3d, guides, history, world, image_editor, outlines)


def register() -> None:
    """Register all panels."""
    for family in _families:
        family.register()


def unregister() -> None:
    """Remove all panels."""
    for family in reversed(_families):
        family.unregister()
