"""Syncscape, the Blender extension: registering and unregistering, nothing else.

Importing this file needs no Blender: what does is imported when Blender calls ``register``.
"""


def register() -> None:
    """Add the extension's classes, properties and exit hook to Blender."""
    from . import engine_link, engine_setup, operators, panels, preferences, scene, translations

    translations.register()
    preferences.register()
    scene.register()
    operators.register()
    panels.register()
    engine_setup.register()
    engine_link.register()


def unregister() -> None:
    """Stop the engine and take everything out of Blender again."""
    from . import engine_link, engine_setup, operators, panels, preferences, scene, translations

    engine_link.unregister()
    engine_setup.unregister()
    panels.unregister()
    operators.unregister()
    scene.unregister()
    preferences.unregister()
    translations.unregister()
