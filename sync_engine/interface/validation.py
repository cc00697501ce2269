# SPDX-License-Identifier: GPL-3.0-or-later
"""SpecError and the checks of a spec's fields: each names the field, the value and the remedy."""

from __future__ import annotations

import math
import numbers
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .wording import Message, as_message

MAX_PROMPT_CHARACTERS = 2000


@dataclass(frozen=True)
class Limit:
    """The allowed range of one number: ``minimum <= value <= maximum``, in steps of ``step``."""

    minimum: float
    maximum: float
    step: int = 1


class SpecError(ValueError):
    """A field of a spec cannot be used; names the field, the value and the remedy.

    Attributes:
        field: name of the field.
        value: what was given, shortened for display.
        problem: what is wrong with it.
        remedy: what to do.
        message: field, value and problem as one sentence.
    """

    def __init__(self, field: str, value: object, problem: str, remedy: str) -> None:
        shown = repr(value)
        if len(shown) > 60:
            shown = f"{shown[:57]}..."
        self.field, self.value, self.problem, self.remedy = field, shown, problem, remedy
        values = {"field": field, "value": shown, "problem": as_message(problem)}
        self.message = Message("{field} = {value}: {problem}.", **values)
        super().__init__(f"{self.message} {remedy}")


def check_text(name: str, value: object) -> None:
    """Raise SpecError for what is no text, empty, or has characters that no text has."""
    if not isinstance(value, str) or not value.strip():
        raise SpecError(name, value, "empty or not a text", "Give a text.")
    if any(unicodedata.category(character) == "Cc" and character not in "\r\n\t" for character in value):
        raise SpecError(name, value, "contains control characters", "Remove them, or type the text again.")
    if any(unicodedata.category(character) == "Cs" for character in value):
        raise SpecError(name, value, "is not valid Unicode", "Type the text again.")


def check_prompt(name: str, value: object, required: bool) -> None:
    """Raise SpecError for what is no prompt; where it is not required it may be empty."""
    if not required and value == "":
        return
    if required and (not isinstance(value, str) or not value.strip()):
        raise SpecError(name, value, "empty", "Describe the environment in a few words.")
    check_text(name, value)
    if len(str(value)) > MAX_PROMPT_CHARACTERS:
        raise SpecError(
            name,
            value,
            Message(
                "{length} characters long, at most {most} are allowed",
                length=len(str(value)),
                most=MAX_PROMPT_CHARACTERS,
            ),
            "Shorten it; models read only the first few dozen words.",
        )


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise SpecError for what is none of the choices."""
    if value not in choices:
        raise SpecError(
            name,
            value,
            "not one of the choices",
            Message("Use one of {choices}.", choices=", ".join(choices)),
        )


def check_number(name: str, value: object, limit: Limit, whole: bool) -> None:
    """Raise SpecError for what is no number (a whole one with ``whole``) within a limit."""
    wanted = Message("a whole number" if whole else "a number")
    remedy = Message("Use {wanted}, {span}.", wanted=wanted, span=span(limit))
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise SpecError(name, value, Message("not {wanted}", wanted=wanted), remedy)
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError(name, value, "not a finite number", remedy)
    if not limit.minimum <= value <= limit.maximum:  # type: ignore[operator]
        raise SpecError(name, value, "out of range", remedy)
    if limit.step > 1 and value % limit.step:  # type: ignore[operator]
        nearest = max(limit.minimum, round(value / limit.step) * limit.step)  # type: ignore[operator]
        raise SpecError(
            name,
            value,
            Message("not a multiple of {step}", step=limit.step),
            Message("The nearest is {nearest:g}.", nearest=nearest),
        )


def span(limit: Limit) -> Message:
    """Return a limit in words."""
    least, most = limit.minimum, limit.maximum
    if limit.step > 1:
        template = "{least:.10g} to {most:.10g}, in steps of {step}"
        return Message(template, least=least, most=most, step=limit.step)
    return Message("{least:.10g} to {most:.10g}", least=least, most=most)


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: NumPy's numbers as Python's, paths as texts, also in lists."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value) if type(value) in (list, tuple) else value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, bool | int | float | str) and type(value) in (bool, int, float, str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    return bool(value) if type(value).__name__ in ("bool", "bool_") else value
