# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncscape, the Blender extension: registering and unregistering, nothing else.

Importing this file needs no Blender: what does is imported when Blender calls ``register``.
"""


def _parts():
    """Return the parts in the order in which they are registered."""
    from . import engine, operators, panels, preferences, scene, settings
    from . import translations as words

    return words, preferences, settings, scene, operators, panels, engine


def register() -> None:
    """Add the extension's classes, properties and exit hook to Blender."""
    for part in _parts():
        part.register()


def unregister() -> None:
    """Stop the engine and take everything out of Blender again."""
    for part in reversed(_parts()):
        part.unregister()
