# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of presets and of styles, beside the prompt."""

from __future__ import annotations

import bpy
from bl_ui.utils import PresetPanel

from ..operators.presets import FOLDER, STYLE_ITEMS, has_style


class SYNCSCAPE_PT_presets(PresetPanel, bpy.types.Panel):
    """Whole settings under a name: prompt, size, model and method"""

    bl_label = "Syncscape Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    preset_add_operator = "syncscape.add_preset"


class SYNCSCAPE_MT_styles(bpy.types.Menu):
    """Words of light, weather and technique for the prompt"""

    bl_label = "Style"

    def draw(self, context) -> None:
        prompt = context.scene.syncscape.prompt
        for words, name, _description in STYLE_ITEMS:
            icon = "CHECKBOX_HLT" if has_style(prompt, words) else "CHECKBOX_DEHLT"
            self.layout.operator("syncscape.toggle_style", text=name, icon=icon).style = words


_classes = (SYNCSCAPE_PT_presets, SYNCSCAPE_MT_styles)
register, unregister = bpy.utils.register_classes_factory(_classes)
