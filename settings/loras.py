# SPDX-License-Identifier: GPL-3.0-or-later
"""The LoRAs of the settings: each a file and a weight."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import bpy
from bpy.props import FloatProperty, StringProperty

from ..sync_engine.interface.loras import LORA_WEIGHT, Lora


class SyncscapeLora(bpy.types.PropertyGroup):
    """One LoRA of the settings."""

    file: StringProperty(
        name="LoRA",
        description="A safetensors file of changes to the model; it must be made for the model's family",
        subtype="FILE_PATH",
    )
    weight: FloatProperty(
        name="Weight",
        description="How strongly the LoRA counts: 1 is what it was made for, 0 changes nothing",
        default=1.0,
        min=LORA_WEIGHT.minimum,
        max=LORA_WEIGHT.maximum,
        soft_min=0.0,
        soft_max=1.5,
    )


def in_spec(loras) -> tuple[str, ...]:
    """Return the LoRAs as a spec names them; a line without a file does not count."""
    named = [(bpy.path.abspath(lora.file.strip()), lora.weight) for lora in loras if lora.file.strip()]
    return tuple(str(Lora(file, weight)) for file, weight in named)


def from_spec(loras, texts: tuple[str, ...]) -> None:
    """Set the LoRAs to those of a spec."""
    loras.clear()
    for lora in map(Lora.parse, texts):
        line = loras.add()
        line.file, line.weight = lora.file, lora.weight


register, unregister = bpy.utils.register_classes_factory((SyncscapeLora,))
