# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks of other programs in a prompt: weights, LoRAs, breaks, which models here read as plain words."""

from __future__ import annotations

import re

MARKS = re.compile(
    r"<(?:lora|lyco|hypernet):[^<>]{1,120}>"  # <lora:name:0.8>
    r"|[(\[][^()\[\]]{1,120}:\s*-?\d{1,2}(?:\.\d{1,4})?\s*[)\]]"  # (word:1.3), [a:b:0.5]
    r"|\b(?:BREAK|ADDCOL|ADDROW|ADDCOMM)\b"
    r"|\(\([^()]{1,120}\)\)"  # ((word))
)
MOST = 5


def marks_in(prompt: str) -> list[str]:
    """Return the marks in a prompt, as they stand there, each once and at most five."""
    return list(dict.fromkeys(MARKS.findall(prompt)))[:MOST]
