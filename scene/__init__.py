# SPDX-License-Identifier: GPL-3.0-or-later
"""What Syncscape does to a scene, without any user interface: settings, worlds and plates."""

from . import live, loras, settings


def register() -> None:
    """Add ``Scene.syncscape``, and look after Worlds that are only a preview."""
    loras.register()
    settings.register()
    live.register()


def unregister() -> None:
    """Remove ``Scene.syncscape``."""
    live.unregister()
    settings.unregister()
    loras.unregister()
