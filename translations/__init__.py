# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the user interface in other languages: one table a language, and how a text is looked up.

Blender itself looks up labels, names and tooltips. Texts with values in them are templates in the
tables; ``tr`` gives the template before the values are put in, and ``sentence`` recognises one in a
finished text, such as the engine side's errors, which know nothing of Blender.
"""

from __future__ import annotations

import functools
import re

import bpy

from ..sync_engine.host.jobs import Failure

CONTEXTS = ("*", "Operator", "Syncscape")
"""Blender looks for the label of a button in the second, for everything else in the first. The last is
for words that Blender translates in another sense: its own tables come before ours."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^a-z])")


def tr(text: str) -> str:
    """Return a text of the interface in the user's language, or as it is."""
    return bpy.app.translations.pgettext_iface(text)


def sentence(text: str) -> str:
    """Return a finished text in the user's language: as a whole, as a template, or sentence by sentence."""
    if not bpy.context.preferences.view.use_translate_interface or not text:
        return text
    whole = _translated(text)
    if whole is not None:
        return whole
    parts = _SENTENCE_END.split(text)
    return " ".join(_translated(part) or part for part in parts)


def in_words(failure: Failure) -> str:
    """Return what went wrong and the remedy, in the user's language."""
    return f"{sentence(failure.message)} {sentence(failure.hint)}".strip()


def _translated(text: str) -> str | None:
    exact = tr(text)
    if exact != text:
        return exact
    for pattern, template in _templates():
        found = pattern.fullmatch(text)
        if found is None:
            continue
        words = tr(template)
        if words != template:
            return words.format(*(_translated(part) or part for part in found.groups()))
    return None


@functools.cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """Return the texts with values as patterns, those with the most words of their own first."""
    from . import de  # every table has the same texts

    found = []
    for template in de.TABLE:
        pieces = re.split(r"\{\d\}", template)
        if len(pieces) > 1 and any(character.isalpha() for character in "".join(pieces)):
            pattern = "(.+?)".join(map(re.escape, pieces))
            found.append((len("".join(pieces)), re.compile(pattern, re.DOTALL), template))
    return [(pattern, template) for _length, pattern, template in sorted(found, key=lambda item: -item[0])]


def register() -> None:
    """Give Blender the tables."""
    from . import de, zh_hans

    bpy.app.translations.register(
        __name__,
        {
            language: {(context, text): words for text, words in table.items() for context in CONTEXTS}
            for language, table in (
                ("de", de.TABLE),
                ("de_DE", de.TABLE),
                ("zh_HANS", zh_hans.TABLE),
                ("zh_CN", zh_hans.TABLE),
            )
        },
    )


def unregister() -> None:
    """Take the tables back."""
    bpy.app.translations.unregister(__name__)
    _templates.cache_clear()
