# SPDX-License-Identifier: GPL-3.0-or-later
"""Make Larger: operators that give a finished World, or any 360° picture, more pixels with new detail."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false, reportAttributeAccessIssue=false

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ..engine import preferences
from ..engine.link import PROBLEMS, explain, link
from ..scene import live, world
from ..sync_engine.host.history import Result
from ..sync_engine.host.jobs import Job, JobState
from ..sync_engine.interface.embedded import read_spec
from ..sync_engine.interface.enlarging import WIDTHS, enlarging
from ..sync_engine.interface.spec import EnvironmentSpec, SpecError
from ..translations import in_words, tr
from .backdrop import attempt
from .chosen import ResultOperator
from .mixins import NeedsEngine, no_engine

WIDTH_ITEMS = [
    ("2048", "2048 × 1024", "One pass from a picture of 1024"),
    ("4096", "4096 × 2048", "Every doubling of the picture is a pass that takes longer"),
    ("8192", "8192 × 4096", "Every doubling of the picture is a pass that takes longer"),
]


class _Enlarges:
    """An operator that starts such a job; ``width`` is what one chooses."""

    width: EnumProperty(name="Width", description="Of the larger picture", items=WIDTH_ITEMS)

    def start(self, context, spec: EnvironmentSpec, picture: Path, of: str) -> set[str]:
        """Start the job for a picture; ``of`` is the result that it belongs to, or empty."""
        job = replace(enlarging(spec, picture, int(self.width)), device=preferences.device())
        when_done = partial(
            take_larger,
            scene_id=context.scene.session_uid,
            of=of,
            apply=context.scene.syncscape.apply_when_done,
        )
        try:
            link.generate(job, when_done)
        except PROBLEMS as error:
            self.report({"ERROR"}, in_words(explain(error)))
            return {"CANCELLED"}
        return {"FINISHED"}


class SYNCSCAPE_OT_enlarge(_Enlarges, NeedsEngine, ResultOperator, bpy.types.Operator):
    """Make this World larger: detail is painted into it, its layout, its light and its sun stay"""

    bl_idname = "syncscape.enlarge"
    bl_label = "Make Larger"
    kind = "world"

    def invoke(self, context, _event) -> set[str]:
        """Ask for the width: the next larger one."""
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        self.result = found.id
        self.width = str(next((width for width in WIDTHS if width > found.spec.width), WIDTHS[-1]))
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        if found.spec.width >= int(self.width):
            self.report({"ERROR"}, tr("The picture is {width} pixels wide already.", width=found.spec.width))
            return {"CANCELLED"}
        return self.start(context, found.spec, found.image, found.id)


class SYNCSCAPE_OT_enlarge_file(_Enlarges, bpy.types.Operator):
    """Make any 360° picture larger, EXR or 8-bit: twice as wide as high, by this program or another"""

    bl_idname = "syncscape.enlarge_file"
    bl_label = "Make a Picture Larger"

    filepath: StringProperty(
        name="File", description="A 360° picture", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    filter_glob: StringProperty(
        name="Shown",
        description="Which files are shown",
        default="*.exr;*.hdr;*.png;*.jpg;*.jpeg;*.webp;*.tif;*.tiff",
        options={"HIDDEN"},
    )

    @classmethod
    def poll(cls, _context) -> bool:
        reason = no_engine()
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context, _event) -> set[str]:
        """Ask for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context) -> set[str]:
        """Start the job: with what made the picture, else with the panel's prompt and model."""
        path = Path(bpy.path.abspath(self.filepath))
        try:
            spec = read_spec(path)
        except SpecError:  # of another program
            settings = context.scene.syncscape
            spec = EnvironmentSpec(settings.prompt.strip(), model=settings.model.strip())
        return self.start(context, spec, path, "")


class SYNCSCAPE_OT_swap_picture(ResultOperator, bpy.types.Operator):
    """Let this picture light the scene in place of its World's: rotation, strength and background stay"""

    bl_idname = "syncscape.swap_picture"
    bl_label = "Swap Picture"
    bl_options = {"REGISTER", "UNDO"}
    kind = "world"

    @classmethod
    def poll(cls, context) -> bool:
        if world.picture(context.scene.world) is None:
            cls.poll_message_set("The scene's World was not made by Syncscape: apply one first")
            return False
        return super().poll(context)

    def execute(self, context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        return attempt(self, lambda: swap(context.scene, found))


def swap(scene: bpy.types.Scene, result: Result) -> None:
    """Put a result's picture into the nodes of the scene's World; RuntimeError if it cannot be loaded."""
    live.restore()
    world.swap_picture(scene.world, result.image, result.id)


def take_larger(job: Job, scene_id: int, of: str, apply: bool) -> None:
    """Put a finished larger picture where the scene shows the smaller one, as one undo step."""
    scene = next((scene for scene in bpy.data.scenes if scene.session_uid == scene_id), None)
    if job.state is not JobState.DONE or scene is None or not (apply and of):
        return
    live.restore()
    if scene.world is None or scene.world.get(world.RESULT_KEY) != of or world.picture(scene.world) is None:
        return
    window = next((item for item in bpy.context.window_manager.windows if item.scene == scene), None)
    place = {"scene": scene} | ({"window": window} if window else {})
    with bpy.context.temp_override(**place):
        bpy.ops.syncscape.swap_picture("EXEC_DEFAULT", True, result=job.id)


_classes = (SYNCSCAPE_OT_enlarge, SYNCSCAPE_OT_enlarge_file, SYNCSCAPE_OT_swap_picture)
register, unregister = bpy.utils.register_classes_factory(_classes)
