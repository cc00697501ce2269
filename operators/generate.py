"""Generate and cancel: operators that start a job and stop it."""

from __future__ import annotations

import contextlib

import bpy
from bpy.props import BoolProperty

from .. import preferences
from ..engine_link import NO_PYTHON, PROBLEMS, explain, link
from ..scene.plate import NoCamera
from ..sync_engine.interface.jobs import Job, JobState
from ..sync_engine.interface.spec import SpecError

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

        def when_done(job: Job) -> None:
            _take_over(job, scene_id, apply)

        try:
            link.generate(scene.syncscape.to_spec(preferences.device()), when_done)
        except PROBLEMS as error:
            self.report({"ERROR"}, str(explain(error)))
            return {"CANCELLED"}
        return {"FINISHED"}

    def execute(self, context) -> set[str]:
        """Make the picture and return when it is there; Ctrl-C in the terminal cancels."""
        settings = context.scene.syncscape
        try:
            job = link.generate(settings.to_spec(preferences.device()))
        except PROBLEMS as error:
            self.report({"ERROR"}, str(explain(error)))
            return {"CANCELLED"}
        _wait(job, context.window_manager)
        link.settle()
        if job.state is JobState.FAILED:
            self.report({"ERROR"}, str(job.error))
        elif job.state is JobState.CANCELLED:
            self.report({"WARNING"}, "The job was cancelled.")
        if job.state is not JobState.DONE:
            return {"CANCELLED"}
        _keep_seed(settings, job)
        self.report({"INFO"}, f"Made {job.result.image}")
        if self.apply:
            return _apply(job)
        return {"FINISHED"}


class SYNCSCAPE_OT_cancel(bpy.types.Operator):
    """Stop the picture that is being made; the engine stays ready for the next"""

    bl_idname = "syncscape.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, _context) -> bool:
        if link.job is None:
            cls.poll_message_set("Nothing is being made")
            return False
        return True

    def execute(self, _context) -> set[str]:
        link.job.cancel()
        link.settle()
        return {"FINISHED"}


def _why_not(context) -> str:
    """Return why nothing can be generated now, or an empty text."""
    if link.job is not None:
        return "A picture is being made. Wait for it, or cancel it"
    if not preferences.engine_settings().python:
        return str(NO_PYTHON)
    try:
        context.scene.syncscape.to_spec(preferences.device()).validated()
    except SpecError as error:
        return str(error)
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


def _take_over(job: Job, scene_id: int, apply: bool) -> None:
    """Install a finished job in the scene it was started from, if that is still there."""
    scene = next((scene for scene in bpy.data.scenes if scene.session_uid == scene_id), None)
    if job.state is not JobState.DONE or scene is None:
        return
    _keep_seed(scene.syncscape, job)
    if not apply:
        return
    if job.result.kind == "plate" and scene.camera is None:
        link.error = explain(NoCamera())
        return
    window = next((item for item in bpy.context.window_manager.windows if item.scene == scene), None)
    with bpy.context.temp_override(window=window, scene=scene), contextlib.suppress(RuntimeError):
        _apply(job)  # what the operator reports arrives here as RuntimeError; the panel shows it


def _apply(job: Job) -> set[str]:
    operator = bpy.ops.syncscape.apply_world if job.result.kind == "world" else bpy.ops.syncscape.apply_plate
    return operator("EXEC_DEFAULT", True, result=job.id)  # True: an undo step of its own


def _keep_seed(settings, job: Job) -> None:
    """Show the seed that was used, so that locking it repeats this picture."""
    if not settings.lock_seed and job.result.spec.seed is not None:
        settings.seed = job.result.spec.seed


_classes = (SYNCSCAPE_OT_generate, SYNCSCAPE_OT_cancel)
register, unregister = bpy.utils.register_classes_factory(_classes)
