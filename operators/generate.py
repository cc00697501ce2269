# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate and cancel: operators that start a job and stop it."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import contextlib
from functools import partial

import bpy
from bpy.props import BoolProperty, StringProperty

from ..engine import preferences
from ..engine.link import PROBLEMS, explain, link
from ..scene.problems import Trouble
from ..sync_engine.host.history import Result
from ..sync_engine.host.jobs import Job, JobState
from ..sync_engine.interface.spec import SpecError
from ..translations import in_words, tr
from .mixins import no_engine
from .problems import TROUBLES

LOOK_S = 0.1
"""How often the blocking form shows its progress."""


class SYNCSCAPE_OT_generate(bpy.types.Operator):
    """Make the picture that the settings of this scene describe"""

    bl_idname = "syncscape.generate"
    bl_label = "Generate"

    apply: BoolProperty(
        name="Apply",
        description="Install the picture in the scene when it is ready (only when run without a window; "
        "in the panel the setting Apply When Done decides)",
        default=False,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context) -> bool:
        reason = _why_not(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context, _event) -> set[str]:
        """Start the job and give Blender back at once; the panel shows how it goes."""
        scene = context.scene
        scene_id, apply = scene.session_uid, scene.syncscape.apply_when_done

        try:
            for number, spec in enumerate(scene.syncscape.to_specs(preferences.device())):
                # Of several variations the first lights the scene; the others wait in the history.
                when_done = partial(take_over, scene_id=scene_id, apply=apply and number == 0)
                link.generate(spec, when_done, scene)
        except PROBLEMS as error:
            self.report({"ERROR"}, in_words(explain(error)))
            return {"CANCELLED"}
        return {"FINISHED"}

    def execute(self, context) -> set[str]:
        """Make the picture and return when it is there; Ctrl-C in the terminal cancels."""
        settings = context.scene.syncscape
        try:
            job = link.generate(settings.to_spec(preferences.device()))
        except PROBLEMS as error:
            self.report({"ERROR"}, in_words(explain(error)))
            return {"CANCELLED"}
        _wait(job, context.window_manager)
        link.run_callbacks()
        if job.error is not None:
            self.report({"ERROR"}, in_words(job.error))
        elif job.state is JobState.CANCELLED:
            self.report({"WARNING"}, tr("The job was cancelled."))
        if job.result is None:
            return {"CANCELLED"}
        _keep_seed(settings, job.result)
        self.report({"INFO"}, tr("Made {picture}", picture=job.result.image))
        if self.apply:
            return _apply(job.result)
        return {"FINISHED"}


class SYNCSCAPE_OT_cancel(bpy.types.Operator):
    """Stop this picture; the engine goes on with the next that waits, and stays ready"""

    bl_idname = "syncscape.cancel"
    bl_label = "Cancel"

    job: StringProperty(
        name="Job",
        description="Name of the job. Empty: the one that is being made",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, _context) -> bool:
        if link.job is None:
            cls.poll_message_set("Nothing is being made")
            return False
        return True

    def execute(self, _context) -> set[str]:
        jobs = [link.job, *link.waiting]
        job = next((job for job in jobs if job.id == self.job), None) if self.job else jobs[0]
        if job is None:
            self.report({"WARNING"}, tr("That picture is neither being made nor waiting any more."))
            return {"CANCELLED"}
        job.cancel()
        link.run_callbacks()
        return {"FINISHED"}


class SYNCSCAPE_OT_clear_queue(bpy.types.Operator):
    """Take away the pictures that wait; the one that is being made goes on"""

    bl_idname = "syncscape.clear_queue"
    bl_label = "Clear Queue"

    @classmethod
    def poll(cls, _context) -> bool:
        if not link.waiting:
            cls.poll_message_set("Nothing waits")
            return False
        return True

    def execute(self, _context) -> set[str]:
        for job in link.waiting:
            job.cancel()
        link.run_callbacks()
        return {"FINISHED"}


def _why_not(context) -> str:
    """Return why nothing can be generated now, or an empty text."""
    reason = no_engine()
    if reason:
        return reason
    try:
        context.scene.syncscape.to_spec(preferences.device()).validated()
    except SpecError as error:
        return in_words(explain(error))
    return ""


def _wait(job: Job, manager: bpy.types.WindowManager) -> None:
    manager.progress_begin(0, 100)
    try:
        while not job.state.finished:
            try:
                job.wait(LOOK_S)
            except TimeoutError:
                manager.progress_update(int(job.progress * 100))
    except KeyboardInterrupt:
        job.cancel()
        raise
    finally:
        manager.progress_end()


def take_over(job: Job, scene_id: int, apply: bool, keep_seed: bool = True) -> None:
    """Install a finished job in the scene it was started from, if that is still there."""
    scene = next((scene for scene in bpy.data.scenes if scene.session_uid == scene_id), None)
    if job.result is None or scene is None:
        return
    if keep_seed:
        _keep_seed(scene.syncscape, job.result)
    if not apply:
        return
    if job.result.kind == "plate" and scene.camera is None:
        link.error = TROUBLES[Trouble.NO_CAMERA]
        return
    window = next((item for item in bpy.context.window_manager.windows if item.scene == scene), None)
    place = {"scene": scene} | ({"window": window} if window else {})  # window=None would undo the scene
    with bpy.context.temp_override(**place), contextlib.suppress(RuntimeError):
        _apply(job.result)  # what the operator reports arrives here as RuntimeError; the panel shows it


def _apply(result: Result) -> set[str]:
    operator = bpy.ops.syncscape.apply_world if result.kind == "world" else bpy.ops.syncscape.apply_plate
    return operator("EXEC_DEFAULT", True, result=result.id)  # True: an undo step of its own


def _keep_seed(settings, result: Result) -> None:
    """Show the seed that was used, so that locking it repeats this picture."""
    if not settings.lock_seed and result.spec.seed is not None:
        settings.seed = result.spec.seed


_classes = (SYNCSCAPE_OT_generate, SYNCSCAPE_OT_cancel, SYNCSCAPE_OT_clear_queue)
register, unregister = bpy.utils.register_classes_factory(_classes)
