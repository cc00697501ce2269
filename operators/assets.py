# SPDX-License-Identifier: GPL-3.0-or-later
"""Assets: operators that keep a World in the Syncscape asset library and list it in the preferences."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..engine import preferences
from ..scene import assets
from ..scene.problems import SceneProblem
from ..scene.world import FACING_Y, RESULT_KEY, controls
from ..sync_engine.host.history import Result
from ..sync_engine.interface.wording import Message
from ..translations import tr
from .apply import world_name
from .chosen import ResultOperator, show, tell
from .problems import explain_scene

STORAGE_ITEMS = (
    ("PACKED", "Packed", "The picture inside the .blend file: one file to copy"),
    ("RELATIVE", "Beside", "The picture as a file beside the .blend: smaller, other programs can read it"),
)
LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "All rights reserved")
SHORT_WORD = 3


class SYNCSCAPE_OT_save_asset(ResultOperator, bpy.types.Operator):
    """Keep this World as an asset with preview, tags, author and licence, to drag into any scene"""

    bl_idname = "syncscape.save_asset"
    bl_label = "Save as Asset"
    bl_options = {"REGISTER"}
    kind = "world"

    asset_name: StringProperty(
        name="Name",
        description="Name of the asset. Empty: the beginning of the prompt",
        options={"SKIP_SAVE"},
    )
    author: StringProperty(name="Author", description="Who made it, as the asset browser shows")
    licence: StringProperty(
        name="Licence",
        description="Under which licence others may use it; the model's own licence may limit the choice",
        search=lambda _self, _context, text: [item for item in LICENCES if text.lower() in item.lower()],
        search_options={"SUGGESTION"},
    )
    tags: StringProperty(
        name="Tags",
        description="Words to find it by, separated by commas. Empty: the words of the prompt",
        options={"SKIP_SAVE"},
    )
    storage: EnumProperty(
        name="Picture", description="Where the picture is kept", items=STORAGE_ITEMS, default="PACKED"
    )
    add_library: BoolProperty(
        name="Add to Asset Libraries",
        description="List Syncscape's asset library in Blender's preferences, so that asset browsers show it",
        default=False,
    )

    def invoke(self, context, _event) -> set[str]:
        """Ask for name, author, licence and tags."""
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        self.result, self.asset_name, self.tags = found.id, world_name(found), ", ".join(words(found))
        self.add_library = not assets.is_registered(asset_folder())
        return context.window_manager.invoke_props_dialog(self, width=360)

    def draw(self, _context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("asset_name", "author", "licence", "tags"):
            layout.prop(self, name)
        layout.row().prop(self, "storage", expand=True)
        if not assets.is_registered(asset_folder()):
            layout.prop(self, "add_library")

    def execute(self, context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        tags = [tag.strip() for tag in self.tags.split(",")] if self.tags.strip() else words(found)
        facts = assets.AssetFacts(
            name=self.asset_name.strip() or world_name(found),
            author=self.author.strip(),
            licence=self.licence.strip(),
            tags=tuple(filter(None, tags)),
            description=found.spec.prompt,
        )
        strength, rotation = _light(context.scene.world, found)
        try:
            path = assets.save_world(
                found, asset_folder(), facts, self.storage == "PACKED", strength, rotation
            )
        except SceneProblem as error:
            show(self, explain_scene(error))
            return {"CANCELLED"}
        except (OSError, RuntimeError) as error:
            tell(
                self,
                Message("The asset cannot be saved ({reason}).", reason=str(error).strip()),
                "Check the library folder in the preferences, and the free space on its disk.",
            )
            return {"CANCELLED"}
        if self.add_library:
            assets.register_library(asset_folder())
        assets.refresh_browsers()
        self.report({"INFO"}, tr("Saved {file}", file=path))
        return {"FINISHED"}


class SYNCSCAPE_OT_register_assets(bpy.types.Operator):
    """List Syncscape's asset library in Blender's preferences, so that asset browsers show it"""

    bl_idname = "syncscape.register_assets"
    bl_label = "Add to Asset Libraries"

    @classmethod
    def poll(cls, _context) -> bool:
        if assets.is_registered(asset_folder()):
            cls.poll_message_set("The asset library is listed already")
            return False
        return True

    def execute(self, _context) -> set[str]:
        folder = asset_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            values = {"folder": folder, "reason": error.strerror}
            message = Message("The folder {folder} cannot be made ({reason}).", **values)
            tell(self, message, "Name another library folder in the preferences.")
            return {"CANCELLED"}
        assets.register_library(folder)
        return {"FINISHED"}


def asset_folder() -> Path:
    """Return the folder of the user's Syncscape assets; it may not exist yet."""
    return preferences.library_folder() / "assets"


def words(result: Result) -> list[str]:
    """Return tags for a result: the longer words of its prompt, and ours."""
    found = [word.strip(".,;:!?()[]\"'").casefold() for word in result.spec.prompt.split()]
    return list(dict.fromkeys([word for word in found if len(word) > SHORT_WORD] + ["syncscape", "hdri"]))


def _light(world: bpy.types.World | None, result: Result) -> tuple[float, float]:
    """Return strength and rotation as the user has set them where this result is installed."""
    installed = controls(world)
    if world is None or installed is None or world.get(RESULT_KEY) != result.id:
        return 1.0, FACING_Y
    return installed.strength.default_value, installed.rotation.default_value[2]


_classes = (SYNCSCAPE_OT_save_asset, SYNCSCAPE_OT_register_assets)
register, unregister = bpy.utils.register_classes_factory(_classes)
