"""What Syncscape does to a scene, without any user interface: settings, worlds and plates."""

from . import settings


def register() -> None:
    """Add ``Scene.syncscape``."""
    settings.register()


def unregister() -> None:
    """Remove ``Scene.syncscape``."""
    settings.unregister()
