# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models and LoRAs paint whole 360° panoramas, by their names, and the words that wake them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .loras import Lora

_NAMES = re.compile(r"(?<!\d)360(?!\d)|equirect|panoram|(?<![a-z])erp(?![a-z])", re.IGNORECASE)
TRIGGERS = {"360-diffusion-lora-sd-v1-5": "qxj"}
"""Words that a LoRA was trained with, by a part of its file's name or its hub id, in lower case."""


def paints_panoramas(model: str, loras: Iterable[str] = ()) -> bool:
    """Whether a model, or a LoRA that a spec names, calls itself one for panoramas."""
    return any(_NAMES.search(_last(name)) for name in (model, *(Lora.parse(text).file for text in loras)))


def known_trigger(model: str, loras: Iterable[str] = ()) -> str:
    """Return the words that wake a model or one of its LoRAs; empty where none are known."""
    for name in (*(Lora.parse(text).file for text in loras), model):
        for part, words in TRIGGERS.items():
            if part in name.lower():
                return words
    return ""


def _last(name: str) -> str:
    """Return the name of a file or a model without the folders before it."""
    return re.split(r"[/\\]", name.rstrip("/\\"))[-1]
