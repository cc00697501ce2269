# SPDX-License-Identifier: GPL-3.0-or-later
"""One job from its spec to the files: plan, load, encode, denoise, decode, add detail, write."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sync_engine.backbones.model import Model
from sync_engine.canvas import Canvas
from sync_engine.catalog import models
from sync_engine.common.device import is_out_of_memory
from sync_engine.common.errors import EngineError, OutOfMemory, OutputError
from sync_engine.common.progress import Reporter
from sync_engine.common.ranks import joined
from sync_engine.diffusion.controlnet import Control
from sync_engine.guiding.control_maps import maps_of
from sync_engine.guiding.files import keep_files
from sync_engine.guiding.pictures import kept_of
from sync_engine.guiding.regions import Regions
from sync_engine.interface.messages import FailureCode, Stage
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.wording import Message
from sync_engine.prompting.sun_in_prompt import Luminary
from sync_engine.runtime import output, results, stages
from sync_engine.runtime.checkpoint import Checkpoint, NoCheckpoint
from sync_engine.runtime.enlargement import Enlargement
from sync_engine.runtime.helpers import Helpers
from sync_engine.runtime.live_preview import LivePreview
from sync_engine.runtime.model_cache import ModelCache
from sync_engine.runtime.plan import JobPlan
from sync_engine.runtime.stage_runner import StageRunner

NO_MEMORY = (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError, OutOfMemory)
"""What may say that memory ran out; torch's own errors of other devices are RuntimeErrors."""


class Engine(ModelCache):
    """Keeps one model loaded between jobs and runs jobs one at a time.

    Attributes:
        helpers: the other processes of jobs on several devices.
    """

    def __init__(self) -> None:
        super().__init__()
        self.helpers = Helpers()

    def release(self) -> None:
        """Give all memory back, that of the other processes too."""
        self.helpers.close()
        super().release()

    def run(
        self,
        spec: EnvironmentSpec,
        out: Path,
        reporter: Reporter,
        cancelled: Callable[[], bool] = lambda: False,
        job_id: str | None = None,
    ) -> tuple[dict[str, str], dict[str, float]]:
        """Make the picture of a validated spec in the folder ``out``.

        Returns the files (``image``, ``preview``, ``spec``) and the seconds of each stage. Raises
        EngineError for what the user can mend and JobCancelled; either way there is no result, and what a
        later run of the same job would go on from is hidden.
        """
        runner = StageRunner(reporter, cancelled)
        pixels = spec.width * spec.pixel_height
        with output.ResultFolder(out, needed_bytes=pixels * 12 + 2**20) as folder:
            try:
                self._paint(spec, folder.partial, runner, job_id or folder.out.name)
                folder.finish()
            except OSError as error:
                raise OutputError(
                    Message("out = {out} cannot be written ({reason}).", out=folder.out, reason=error),
                    "Free some space or name another folder.",
                ) from error
            except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                self.release()
                raise _not_enough_memory(spec) from error
        names = {"image": output.IMAGE_NAMES[spec.kind], "preview": "preview.png", "spec": "spec.json"}
        return {kind: str(folder.out / name) for kind, name in names.items()}, runner.seconds

    def _picture(
        self,
        folder: Path,
        plan: JobPlan,
        model: Model,
        canvas: Canvas,
        sky: Luminary | None,
        runner: StageRunner,
        controls: list[Control],
    ) -> torch.Tensor:
        """Return the picture ``(3, H, W)``, pass by pass, from where an earlier run of the job was ended.

        Several processes paint it together, and each has it in the end.
        """
        note = runner.reporter.note
        place = (model.device, model.dtype, self.kept_as)
        kind = Checkpoint if plan.ranks.alone else NoCheckpoint
        checkpoint = kind(folder, plan.spec, place, note, plan.files)
        first, *larger = plan.heights(canvas, model)
        made, picture = checkpoint.picture() or (0, None)
        if picture is None and plan.smaller is not None:
            picture = plan.smaller.shown
        if picture is None:
            checkpoint.begin(first)
            preview = LivePreview(runner, model, folder / "live.png")
            conditioning = runner.run(Stage.ENCODE, stages.encode, plan, model, canvas, sky)
            job = (plan, model, canvas, conditioning, self.nets, runner, preview, checkpoint, controls)
            latents = runner.run(Stage.DENOISE, stages.denoise, *job)
            ends = (plan, model, canvas, latents, first, runner, checkpoint)
            picture = runner.run(Stage.DECODE, stages.decode, *ends)
            if plan.spec.canvas == "panorama":
                picture = runner.run(Stage.DETAIL, stages.repair_poles, plan, model, picture, sky, runner)
            checkpoint.passed(picture)
        for height in larger:
            if height > made:
                checkpoint.begin(height)
                preview = LivePreview(runner, model, folder / "live.png")
                detail = (plan, model, picture, height, sky, runner, preview, checkpoint)
                picture = runner.run(Stage.DETAIL, stages.add_detail, *detail)
                checkpoint.passed(picture)
        return picture

    def _paint(self, spec: EnvironmentSpec, folder: Path, runner: StageRunner, job_id: str) -> None:
        """Walk through the stages and leave the result's files in a folder."""
        started = time.perf_counter()
        regions, kept, maps = Regions(spec), kept_of(spec), maps_of(spec)  # before anything is fetched
        smaller = Enlargement.of(spec)
        files = keep_files(spec.guides, folder)
        row = models.find(spec.model)
        missing = stages.missing(row)
        if missing is not None:
            runner.run(Stage.DOWNLOAD, stages.download, *missing, runner)
        for net in stages.missing_controls(spec, row):
            runner.run(Stage.DOWNLOAD, stages.download, net, False, runner)
        plan = JobPlan.of(spec, row, regions, kept, maps, smaller)
        while self._ran_out(plan, folder, runner, job_id, started, files):
            runner.reporter.note("Memory ran out: the job goes on with smaller weights.")

    def _ran_out(
        self,
        plan: JobPlan,
        folder: Path,
        runner: StageRunner,
        job_id: str,
        started: float,
        files: list[dict[str, Any]],
    ) -> bool:
        """Paint; return whether memory ran out and a smaller way to keep the weights is left.

        The error ends here: as long as it lives, its traceback holds the tensors that took the memory.
        """
        try:
            self._paint_once(plan, folder, runner, job_id, started, files)
            return False
        except NO_MEMORY as error:
            if not isinstance(error, OutOfMemory) and not is_out_of_memory(error):
                raise
            failed = error
            for part in (error, error.__cause__, error.__context__):
                if part is not None:
                    part.__traceback__ = None
        if len(plan.spec.devices) == 1 and self.step_down(plan):
            return True
        raise failed

    def _paint_once(
        self,
        plan: JobPlan,
        folder: Path,
        runner: StageRunner,
        job_id: str,
        started: float,
        files: list[dict[str, Any]],
    ) -> None:
        with self.helpers.beginning(plan.spec) as helpers:
            model = runner.run(Stage.LOAD, self.model, plan, runner.reporter.note)
            for note in plan.notes(model):
                runner.reporter.note(note)
            controls = runner.run(Stage.LOAD, self.controls, plan, model) if plan.controls else []
            runner.run(Stage.LOAD, helpers.wait_until_ready, runner.check)
            with helpers.joined(plan.device, runner.check) as ranks:
                plan = dataclasses.replace(plan, ranks=ranks)
                canvas = _canvas(plan, model)
                sky = plan.sky(canvas)
                picture = self._picture(folder, plan, model, canvas, sky, runner, controls)
        complete = plan.complete_spec(model)
        light = runner.run(
            Stage.WRITE,
            results.write_pictures,
            folder,
            picture.permute(1, 2, 0).numpy(),
            complete,
            plan.light(sky),
            plan.kept,
            plan.smaller,
        )
        runner.seconds["total"] = round(time.perf_counter() - started, 3)
        results.write_record(folder, complete, model, job_id, runner.seconds, light, plan.net, files)

    def take_part(self, spec: EnvironmentSpec, rank: int, meeting: Path, ready: Callable[[], object]) -> None:
        """Paint this process's windows of a job on several devices; another has the job and writes it.

        Args:
            spec: with its seed.
            rank: number of this process, from 1, and of its device in the spec.
            meeting: see ``common.ranks.joined``.
            ready: called when the model is loaded.
        """
        runner = StageRunner(Reporter("", lambda event: None, wants_preview=False), lambda: False)
        try:
            plan = JobPlan.of(spec, models.find(spec.model), rank=rank)
            model = self.model(plan)
            controls = self.controls(plan, model) if plan.controls else []
            ready()
            with joined(rank, len(spec.devices), meeting, plan.device, lambda: None) as ranks:
                plan = dataclasses.replace(plan, ranks=ranks)
                canvas = _canvas(plan, model)
                self._picture(Path(), plan, model, canvas, plan.sky(canvas), runner, controls)
        except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise _not_enough_memory(spec) from error


def _canvas(plan: JobPlan, model: Model) -> Canvas:
    """Return the canvas of the first pass; EngineError if some process would have no window of it."""
    canvas = plan.canvas(model)
    windows = len(canvas.elevations)
    if windows < plan.ranks.count:
        raise EngineError(
            FailureCode.BAD_SPEC,
            Message(
                "device = {devices}: the picture has {windows} windows, fewer than devices.",
                devices=plan.spec.device,
                windows=windows,
            ),
            "Name fewer devices, or make the picture larger.",
        )
    return canvas


def _not_enough_memory(spec: EnvironmentSpec) -> OutOfMemory:
    return OutOfMemory(
        Message(
            "There is not enough memory for {width} × {height} with {model}.",
            width=spec.width,
            height=spec.pixel_height,
            model=spec.model,
        ),
        "Choose a smaller size or model, or close other programs.",
    )
