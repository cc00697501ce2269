# SPDX-License-Identifier: GPL-3.0-or-later
"""How a spec names a LoRA: ``FILE`` or ``FILE:WEIGHT``."""

from __future__ import annotations

from dataclasses import dataclass


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
