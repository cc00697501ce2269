# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that were not finished: go on with them, throw them away, agree to a download first."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from functools import partial

import bpy
from bpy.props import StringProperty

from ..engine.library import results
from ..engine.link import PROBLEMS, explain, link
from ..sync_engine.host.unfinished import Unfinished, discard
from ..translations import in_words, tr
from .chosen import tell
from .generate import take_over
from .mixins import Mixin, NeedsEngine


class UnfinishedOperator(Mixin):
    """An operator on one unfinished picture, or on all."""

    job: StringProperty(
        name="Job", description="Name of the unfinished picture. Empty: all", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, _context) -> bool:
        if not link.unfinished():
            cls.poll_message_set("Nothing is unfinished")
            return False
        return True

    def meant(self) -> list[Unfinished]:
        """Return the jobs that are meant, the oldest first."""
        return [job for job in reversed(link.unfinished()) if self.job in ("", job.id)]


class SYNCSCAPE_OT_resume(NeedsEngine, UnfinishedOperator, bpy.types.Operator):
    """Go on with this picture where it was interrupted: it becomes what it would have been"""

    bl_idname = "syncscape.resume"
    bl_label = "Resume"

    def execute(self, context) -> set[str]:
        scene = context.scene
        when_done = partial(
            take_over, scene_id=scene.session_uid, apply=scene.syncscape.apply_when_done, keep_seed=False
        )
        try:
            for job in self.meant():
                link.generate(job.spec, when_done, scene, job_id=job.id)
        except PROBLEMS as error:
            self.report({"ERROR"}, in_words(explain(error)))
            return {"CANCELLED"}
        return {"FINISHED"}


class SYNCSCAPE_OT_discard(UnfinishedOperator, bpy.types.Operator):
    """Throw away what there is of this unfinished picture"""

    bl_idname = "syncscape.discard"
    bl_label = "Discard"

    def execute(self, _context) -> set[str]:
        try:
            for job in self.meant():
                discard(job)
        except OSError as error:
            tell(self, str(error))
            return {"CANCELLED"}
        finally:
            results.forget()
        return {"FINISHED"}


class SYNCSCAPE_OT_agree(bpy.types.Operator):
    """Download the model that is named above, then make the picture"""

    bl_idname = "syncscape.agree"
    bl_label = "Fetch and Generate"

    @classmethod
    def poll(cls, _context) -> bool:
        if not link.refused:
            cls.poll_message_set("No picture waits for a model")
            return False
        if not bpy.app.online_access:
            cls.poll_message_set("Online access is off")
            return False
        return True

    def execute(self, _context) -> set[str]:
        try:
            link.agree()
        except PROBLEMS as error:
            self.report({"ERROR"}, in_words(explain(error)))
            return {"CANCELLED"}
        self.report({"INFO"}, tr("The model is fetched first."))
        return {"FINISHED"}


_classes = (SYNCSCAPE_OT_resume, SYNCSCAPE_OT_discard, SYNCSCAPE_OT_agree)
register, unregister = bpy.utils.register_classes_factory(_classes)
