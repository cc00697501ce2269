# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's errors: what went wrong, which exit status it has, and what the user can do."""

from __future__ import annotations

from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message

MOST_REASON = 450
"""So many characters of an unexpected error are told."""


class EngineError(Exception):
    """A failure that the user can understand.

    Attributes:
        code: decides the exit status and how the panel shows it.
        message: what was wrong, with the name and the value: a Message, so that it can be translated.
        hint: the remedy, likewise.
    """

    def __init__(self, code: FailureCode, message: str, hint: str = "") -> None:
        self.code, self.message, self.hint = code, message, hint
        super().__init__(f"{message} {hint}".strip())


class ModelNotAvailable(EngineError):
    """A model cannot be found, read or used."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(FailureCode.MODEL_NOT_AVAILABLE, message, hint)


class NotAgreed(EngineError):
    """A model would have to be fetched, and nobody has agreed to that."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(FailureCode.NOT_AGREED, message, hint)


class OutOfMemory(EngineError):
    """Even one window at a time does not fit."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(FailureCode.OUT_OF_MEMORY, message, hint)


class OutputError(EngineError):
    """A result cannot be written where it was asked for."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(FailureCode.OUTPUT, message, hint)


def describe(error: Exception) -> EngineError:
    """Return any error as one that the user can read; an unexpected one is named, not explained."""
    if isinstance(error, EngineError):
        return error
    kind, reason = type(error).__name__, str(error)[:MOST_REASON]
    message = Message("The engine met an unexpected error ({kind}: {reason}).", kind=kind, reason=reason)
    return EngineError(FailureCode.INTERNAL, message, "The log has the details.")


def first_line(error: BaseException) -> str:
    """Return what an error of a library says in its first line, short enough for a message; our own whole."""
    if len(error.args) == 1 and isinstance(error.args[0], Message):
        return error.args[0]
    return (str(error).strip().splitlines() or [repr(error)])[0][:300]


class JobCancelled(Exception):
    """Raised inside a job when its cancel flag is seen."""
