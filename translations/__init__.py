# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the user interface in other languages: two tables a language, and how a text is looked up.

Blender itself looks up labels, names and tooltips. A text with values in it is a template in the tables;
``tr`` puts the values in. What comes from elsewhere, such as the engine side's errors, comes as a Message,
which knows its template: those of the engine are in the tables' second halves, ``*_engine.py``.
"""

from __future__ import annotations

import bpy

from ..sync_engine.host.jobs import Failure
from ..sync_engine.interface.wording import Message

CONTEXTS = ("*", "Operator", "Syncscape")
"""Blender looks for the label of a button in the second, for everything else in the first. The last is
for words that Blender translates in another sense: its own tables come before ours."""


def tr(text: str, **values: object) -> str:
    """Return a text of the interface in the user's language, or as it is.

    Args:
        text: a text, a template for the values, or a Message, which has its own.
        values: what goes into the template's fields; Messages among them are translated too.
    """
    message = text if isinstance(text, Message) and not values else Message(text, **values)
    return message.said_in(look_up)


def look_up(text: str) -> str:
    """Return what Blender has for a text in the user's language, or the text."""
    return bpy.app.translations.pgettext_iface(text)


def in_words(failure: Failure) -> str:
    """Return what went wrong and the remedy, in the user's language."""
    return f"{tr(failure.message)} {tr(failure.hint)}".strip()


def register() -> None:
    """Give Blender the tables."""
    from . import de, de_engine, zh_hans, zh_hans_engine

    german = de.TABLE | de_engine.TABLE
    chinese = zh_hans.TABLE | zh_hans_engine.TABLE
    bpy.app.translations.register(
        __name__,
        {
            language: {(context, text): words for text, words in table.items() for context in CONTEXTS}
            for language, table in (
                ("de", german),
                ("de_DE", german),
                ("zh_HANS", chinese),
                ("zh_CN", chinese),
            )
        },
    )


def unregister() -> None:
    """Take the tables back."""
    bpy.app.translations.unregister(__name__)
