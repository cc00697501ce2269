# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the small files of somebody's model within limits: regular files, so many bytes, so deep."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.wording import Message, as_message

CONFIG_BYTES = 2 * 2**20
"""The largest configuration met in a public model has 0.3 MB."""
TOKENIZER_BYTES = 48 * 2**20
"""The largest tokenizer of the families that are known has 11 MB."""
MAX_DEPTH = 48
REMEDY = "Use another model, or fetch this one again from a source that you trust."


def refused(path: Path, problem: str, remedy: str = REMEDY) -> ModelNotAvailable:
    """Return the error for a file of a model that is not read."""
    return ModelNotAvailable(
        Message("The model's file {path} is refused: {problem}.", path=path, problem=as_message(problem)),
        remedy,
    )


def check_regular(path: Path, most: int) -> None:
    """Raise ModelNotAvailable for what is no regular file, or larger than ``most`` bytes."""
    try:
        about = path.stat()
    except OSError as error:
        raise refused(path, Message("it cannot be read ({reason})", reason=error.strerror)) from error
    if not stat.S_ISREG(about.st_mode):
        raise refused(path, "it is no regular file")
    if about.st_size > most:
        raise refused(
            path,
            Message(
                "it has {size:.1f} MiB, and such a file needs at most {most:.2g}",
                size=about.st_size / 2**20,
                most=most / 2**20,
            ),
        )


def read_json(path: Path, most: int = CONFIG_BYTES) -> Any:
    """Return what a JSON file holds.

    Raises:
        ModelNotAvailable: it is no regular file, too large, too deep, or not JSON.
    """
    check_regular(path, most)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise refused(path, Message("it is not JSON ({reason})", reason=error)) from error
    if depth(data) > MAX_DEPTH:
        raise refused(path, Message("it is nested more than {most} deep", most=MAX_DEPTH))
    return data


def depth(data: Any) -> int:
    """Return how deep lists and objects are nested."""
    found, level = 0, [data]
    while level:
        found += 1
        level = [inner for value in level for inner in _inside(value)]
    return found


def pairs(data: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key of every object inside parsed JSON, with its value."""
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value.items()
        waiting += _inside(value)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
