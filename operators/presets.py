# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: Blender's own preset system for the settings, and words of style for the prompt."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from pathlib import Path

import bpy
from bl_operators.presets import AddPresetBase
from bpy.props import EnumProperty

FOLDER = "syncscape"
"""Below ``presets`` here and in the user's own scripts."""
NOT_KEPT = {"rna_type", "name", "seed", "lock_seed", "variations", "apply_when_done", "live_world"}
NOT_KEPT |= {"world_before", "render_plate", "guides", "active_guide"}
"""What a preset leaves as it is: which picture of many, and what is done with it in the scene."""
STYLE_ITEMS = (
    ("photograph", "Photograph", "As a camera would see it"),
    ("golden hour, low warm sun, long shadows", "Golden Hour", "Warm light from a low sun"),
    ("bright noon sun, clear sky, hard shadows", "Noon Sun", "Hard light from above"),
    ("even overcast sky, soft diffuse light", "Overcast", "Soft light without shadows"),
    ("blue hour, dusk, cool twilight", "Blue Hour", "Cool light after sunset"),
    ("night, starry sky, moonlight", "Night", "Stars and moonlight"),
    ("thick mist, hazy, muted colours", "Mist", "Little contrast, pale distance"),
    ("thunderstorm, dramatic dark clouds", "Storm", "Heavy clouds, strong contrast"),
    ("fresh snow, winter, cold light", "Winter", "Snow on everything"),
    ("autumn, golden leaves, low sun", "Autumn", "Warm leaves, clear air"),
    ("studio, large softboxes, grey backdrop", "Studio", "Controlled light for products"),
    ("oil painting, visible brush strokes", "Oil Painting", "Painted rather than photographed"),
)


def kept_settings() -> list[str]:
    """Return the names of the settings that a preset keeps."""
    properties = bpy.types.Scene.bl_rna.properties["syncscape"].fixed_type.properties
    return [name for name in properties.keys() if name not in NOT_KEPT]  # noqa: SIM118 (RNA, not a dict)


class SYNCSCAPE_OT_add_preset(AddPresetBase, bpy.types.Operator):
    """Keep the prompt, size, model and method as a preset, or remove the one that is chosen"""

    bl_idname = "syncscape.add_preset"
    bl_label = "Add Syncscape Preset"
    preset_menu = "SYNCSCAPE_PT_presets"
    preset_subdir = FOLDER
    preset_defines = ["settings = bpy.context.scene.syncscape"]

    @property
    def preset_values(self) -> list[str]:
        """What is written into the preset's file."""
        return [f"settings.{name}" for name in kept_settings()]


class SYNCSCAPE_OT_toggle_style(bpy.types.Operator):
    """Add these words to the prompt, or take them away again if it has them"""

    bl_idname = "syncscape.toggle_style"
    bl_label = "Style"
    bl_options = {"REGISTER", "UNDO"}

    style: EnumProperty(name="Style", description="The words to add", items=STYLE_ITEMS)

    def execute(self, context) -> set[str]:
        settings = context.scene.syncscape
        settings.prompt = toggled(settings.prompt, self.style)
        return {"FINISHED"}


def toggled(prompt: str, style: str) -> str:
    """Return the prompt with the words of a style at its end, or without them if it has them.

    Each phrase between commas counts for itself, so that a style that was edited goes as far as it is
    still there.
    """
    phrases = [phrase.strip() for phrase in prompt.split(",") if phrase.strip()]
    wanted = [phrase.strip() for phrase in style.split(",")]
    if has_style(prompt, style):
        return ", ".join(phrase for phrase in phrases if phrase not in wanted)
    return ", ".join(phrases + [phrase for phrase in wanted if phrase not in phrases])


def has_style(prompt: str, style: str) -> bool:
    """Tell whether a prompt has all words of a style."""
    phrases = {phrase.strip() for phrase in prompt.split(",")}
    return all(phrase.strip() in phrases for phrase in style.split(","))


_classes = (SYNCSCAPE_OT_add_preset, SYNCSCAPE_OT_toggle_style)
_SCRIPTS = str(Path(__file__).parents[1])


def register() -> None:
    """Register the operators and the presets that come with the extension."""
    bpy.utils.register_preset_path(_SCRIPTS)
    for cls in _classes:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Remove them again; the user's own presets stay."""
    for cls in reversed(_classes):
        bpy.utils.unregister_class(cls)
    bpy.utils.unregister_preset_path(_SCRIPTS)
