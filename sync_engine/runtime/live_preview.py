# SPDX-License-Identifier: GPL-3.0-or-later
"""The unfinished picture of a job, shown while it is being denoised."""

from __future__ import annotations

import math
import time
from pathlib import Path

from sync_engine.backbones.model import Model
from sync_engine.canvas import Canvas
from sync_engine.diffusion.joint_loop import Step
from sync_engine.interface.wording import Message
from sync_engine.runtime import output
from sync_engine.runtime.stage_runner import StageRunner

PREVIEW_SHARE = 0.05
"""Live previews may take this share of the denoising time."""
PREVIEW_EVERY_S = 0.5


class LivePreview:
    """Tells of each denoising step, with the picture as it is now where that costs little enough.

    Args:
        runner: told of the steps.
        model: decodes.
        file: the PNG that is written again and again.
    """

    def __init__(self, runner: StageRunner, model: Model, file: Path) -> None:
        self._runner, self._model, self._file = runner, model, file
        self._start, self._cost, self._last = time.perf_counter(), 0.0, 0.0

    def on_step(self, canvas: Canvas, step: Step) -> None:
        """Tell of a step on a canvas; may raise JobCancelled."""
        self._runner.check()
        picture = self._write(canvas, step) if self._is_due() else None
        self._runner.reporter.step(step.step, step.steps, picture)

    def _is_due(self) -> bool:
        now = time.perf_counter()
        late = now - self._last > PREVIEW_EVERY_S
        cheap = self._cost <= PREVIEW_SHARE * (now - self._start)
        return self._runner.reporter.wants_preview and late and cheap

    def _write(self, canvas: Canvas, step: Step) -> Path | None:
        begun = time.perf_counter()
        picture = self._model.preview_decode(canvas.thumbnail(step.x0))[0].float().add(1).div(2).clamp(0, 1)
        try:
            output.write_png(self._file, picture.permute(1, 2, 0).cpu().numpy())
        except OSError as error:  # a full disk, say; the picture itself may still fit
            self._runner.reporter.note(Message("There are no more previews: {reason}.", reason=error))
            self._cost = math.inf
            return None
        self._last = time.perf_counter()
        self._cost += self._last - begun
        return self._file
