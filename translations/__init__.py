"""The words of the user interface in other languages: one table a language, and how a text is looked up."""

from __future__ import annotations

import bpy


def tr(text: str) -> str:
    """Return a text of the interface in the user's language, or as it is."""
    return bpy.app.translations.pgettext_iface(text)
