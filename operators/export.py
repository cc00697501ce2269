# SPDX-License-Identifier: GPL-3.0-or-later
"""Export: an operator that writes a World for other programs."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty

from ..engine.export import engine_export
from ..engine.link import PROBLEMS, explain
from ..sync_engine.host.export import SUFFIXES
from ..sync_engine.interface.spec import LIMITS
from ..translations import in_words
from .chosen import ResultOperator
from .mixins import no_engine

FORMAT_ITEMS = [
    ("exr", "OpenEXR", "Half floats with DWAA compression: smaller, a little lossy"),
    ("hdr", "Radiance HDR", "Eight bits a channel with a common exponent"),
    ("png", "PNG", "In sRGB, with the tags that 360° viewers look for"),
    ("jpeg", "JPEG", "In sRGB, with the tags that 360° viewers look for"),
    ("cube", "Cube Faces", "Six EXR files in a folder"),
    ("ibl", "IBL Set", "Irradiance and prefiltered levels for game engines: EXR files in a folder"),
]


def _with_suffix(self, context) -> None:
    """Give the file's name in the file browser the suffix of the format."""
    params = getattr(context.space_data, "params", None)
    if params is not None:
        params.filename = named(Path(params.filename), self.form).name


def named(path: Path, form: str) -> Path:
    """Return a path with a format's suffix, for a folder without any."""
    stem = path.with_suffix("") if path.suffix in SUFFIXES.values() else path
    return stem.with_name(stem.name + SUFFIXES[form])


class SYNCSCAPE_OT_export(ResultOperator, bpy.types.Operator):
    """Write this World for other programs: EXR, HDR, PNG or JPEG, cube faces, or a set for game engines"""

    bl_idname = "syncscape.export"
    bl_label = "Export"
    kind = "world"

    filepath: StringProperty(
        name="File", description="What is written", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    form: EnumProperty(name="Format", description="What is written", items=FORMAT_ITEMS, update=_with_suffix)
    exposure: FloatProperty(
        name="Exposure",
        description="Brighter or darker, in stops (EV); of PNG and JPEG",
        default=0.0,
        min=LIMITS["exposure"].minimum,
        max=LIMITS["exposure"].maximum,
        soft_min=-6.0,
        soft_max=6.0,
    )

    @classmethod
    def poll(cls, context) -> bool:
        reason = no_engine() or ("An export goes on already" if engine_export.busy else "")
        if reason:
            cls.poll_message_set(reason)
            return False
        return super().poll(context)

    def invoke(self, context, _event) -> set[str]:
        """Ask for the place and the format."""
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        self.result = found.id
        self.filepath = str(named(Path(bpy.path.abspath("//")) / found.id, self.form))
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, _context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "form")
        if self.form in ("png", "jpeg"):
            layout.prop(self, "exposure")

    def execute(self, _context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        out = named(Path(bpy.path.abspath(self.filepath)), self.form)
        try:
            export = engine_export.start(found.image, self.form, out, self.exposure)
        except PROBLEMS as error:
            self.report({"ERROR"}, in_words(explain(error)))
            return {"CANCELLED"}
        if bpy.app.background:  # no timer hears of its end
            export.wait()
            if export.problem is not None:
                self.report({"ERROR"}, in_words(export.problem))
                return {"CANCELLED"}
        return {"FINISHED"}


_classes = (SYNCSCAPE_OT_export,)
register, unregister = bpy.utils.register_classes_factory(_classes)
