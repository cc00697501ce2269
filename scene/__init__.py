# SPDX-License-Identifier: GPL-3.0-or-later
"""What Syncscape does to a scene, without any user interface: worlds, plates, lamps and assets."""

from . import live, sizes


def register() -> None:
    """Take care of saving, loading, undo and rendering."""
    live.register()
    sizes.register()


def unregister() -> None:
    """Stop listening."""
    sizes.unregister()
    live.unregister()
