"""What the user sees: panels that draw the state and decide nothing."""

from . import previews, view3d, world

_families = (previews, view3d, world)


def register() -> None:
    """Register all panels."""
    for family in _families:
        family.register()


def unregister() -> None:
    """Remove all panels."""
    for family in reversed(_families):
        family.unregister()
