# SPDX-License-Identifier: GPL-3.0-or-later
"""How a spec names a LoRA, ``FILE`` or ``FILE:WEIGHT``, and what it may name."""

from __future__ import annotations

from dataclasses import dataclass

from .validation import Limit, SpecError, check_text, span
from .wording import Message

MAX_LORAS, LORA_WEIGHT = 8, Limit(-10.0, 10.0)


@dataclass(frozen=True)
class Lora:
    """A small file of changes to a model, and how strongly it counts.

    Attributes:
        file: path of a safetensors file.
        weight: 1 is what it was made for, 0 changes nothing, below 0 is its opposite.
    """

    file: str
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Lora:
        """Return what a text names. The weight is what follows the last colon, if that is a number."""
        file, colon, number = text.rpartition(":")
        try:
            return cls(file, float(number)) if colon and file else cls(text)
        except ValueError:
            return cls(text)  # C:\loras\a.safetensors

    def __str__(self) -> str:
        return f"{self.file}:{self.weight:.6g}"


def check_loras(value: object) -> None:
    """Raise SpecError for what is no tuple of LoRAs, or too many, or too strong."""
    if not isinstance(value, tuple):
        raise SpecError("loras", value, "not a list", 'Give a list such as ["file.safetensors:0.8"].')
    if len(value) > MAX_LORAS:
        raise SpecError("loras", value, Message("more than {most}", most=MAX_LORAS), "Use fewer.")
    for text in value:
        try:
            check_text("loras", text)
        except SpecError as error:
            raise SpecError("loras", value, error.problem, error.remedy) from error
        if not LORA_WEIGHT.minimum <= Lora.parse(text).weight <= LORA_WEIGHT.maximum:
            raise SpecError(
                "loras", value, "a weight is out of range", Message("Use {span}.", span=span(LORA_WEIGHT))
            )
