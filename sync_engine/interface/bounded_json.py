# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that somebody else may have written: of limited length and depth, and nothing but a mapping."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .picture_files import open_regular

MOST_BYTES = 2**18
"""No record of ours is longer; more than this would keep Blender waiting."""
DEEPEST = 32
"""Levels of lists and mappings; ours have five."""
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(code for code in range(256) if code not in _BRACKETS)


def load_json(data: bytes) -> Any:
    """Return what JSON says; ValueError for anything else, or for more than ``DEEPEST`` levels."""
    if is_too_deep(data):
        raise ValueError(f"nested more than {DEEPEST} deep")
    try:
        return json.loads(data.decode("utf-8-sig", "surrogatepass"))  # paths need not be Unicode
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def is_too_deep(data: bytes, deepest: int = DEEPEST) -> bool:
    """Tell whether lists and mappings are nested deeper than that; quick for text of any kind."""
    if data.count(b"[") + data.count(b"{") <= deepest:
        return False
    brackets = _STRINGS.sub(b"", data).translate(None, _NO_BRACKETS)
    for _ in range(deepest):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> Any:
    """Read a regular file; OSError if it cannot be read, ValueError if it is too long or no such JSON."""
    with open_regular(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"longer than {most_bytes >> 10} KiB")
    return load_json(data)
