# SPDX-License-Identifier: GPL-3.0-or-later
"""Message: a text for people that remembers its template and its values, so that it can be translated."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

VALUE = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
"""A named field of a template, with a format for numbers: ``{size:.1f}``."""
DEEPEST = 6
"""So deep may messages from another process be nested."""


class Message(str):
    """A sentence in English, made of a template with named fields and their values.

    It is a str, and can be used as one. What joins or cuts it makes a plain str of it; a plain str is
    translated as a whole, or not at all.

    Args:
        template: the English text, which is its id too: ``"The folder {folder} is gone."``.
        values: what goes into the fields: numbers, other messages, errors that were raised with one;
            anything else by its ``str``.

    Attributes:
        template: as given.
        values: str, int, float or Message by the field's name.
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: object) -> Message:
        kept = {name: _plain(value) for name, value in values.items()}
        made = super().__new__(cls, filled(template, kept))
        made.template, made.values = template, kept
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (self.template,), self.values

    def said_in(self, translate: Callable[[str], str]) -> str:
        """Return the sentence in another language.

        Args:
            translate: returns the template in that language, or as it is.
        """
        values = {
            name: value.said_in(translate) if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return filled(translate(self.template), values)

    def to_json(self) -> dict[str, Any]:
        """Return template and values as plain JSON values."""
        values = {
            name: value.to_json() if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return {"template": self.template, "values": values}

    @classmethod
    def from_json(cls, data: object, deep: int = 0) -> Message:
        """Read what ``to_json`` has made; raise ValueError for anything else."""
        if deep > DEEPEST:
            raise ValueError("messages within messages within messages")
        if not isinstance(data, Mapping) or not isinstance(data.get("template"), str):
            raise ValueError("a message has a template")
        values = data.get("values", {})
        if not isinstance(values, Mapping):
            raise ValueError("the values of a message have names")
        read: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, Mapping):
                value = cls.from_json(value, deep + 1)
            elif isinstance(value, bool) or not isinstance(value, (str, int, float)):
                raise ValueError(f"the value {name} is neither a text nor a number")
            read[str(name)] = value
        return cls(data["template"], **read)


def filled(template: str, values: Mapping[str, object]) -> str:
    """Return a template with its values: the one place where a sentence is put together.

    Only named fields are filled in; what else is in braces, or has no value, stays as it is.
    """

    def value_of(field: re.Match[str]) -> str:
        name, form = field[1], field[2] or ""
        if name not in values:
            return field[0]
        value = values[name]
        try:
            return format(value, form) if isinstance(value, (int, float)) else str(value)
        except ValueError:  # another version's format
            return str(value)

    return VALUE.sub(value_of, template)


def as_message(text: str) -> Message:
    """Return a text as a message; a plain one is a template without values."""
    return text if isinstance(text, Message) else Message(text)


def joined(*parts: str, between: str = " ") -> Message:
    """Return texts behind one another as one message, apart by what is between; empty ones are left out."""
    kept = {f"part{number}": as_message(part) for number, part in enumerate(parts) if part}
    return Message(between.join(f"{{{name}}}" for name in kept), **kept)


def _plain(value: object) -> str | int | float:
    if isinstance(value, Exception) and len(value.args) == 1 and isinstance(value.args[0], Message):
        value = value.args[0]
    if isinstance(value, Message) or (isinstance(value, (int, float)) and math.isfinite(value)):
        return str(value) if isinstance(value, bool) else value
    return str(value)
