# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that each scene keeps: what the panels show, and the spec made of it."""

from . import guides, loras, scene


def register() -> None:
    """Add ``Scene.syncscape``."""
    loras.register()
    guides.register()
    scene.register()


def unregister() -> None:
    """Remove ``Scene.syncscape``."""
    scene.unregister()
    guides.unregister()
    loras.unregister()
