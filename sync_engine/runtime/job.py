# SPDX-License-Identifier: GPL-3.0-or-later
"""One job from its spec to the files: load, encode, denoise, decode, write."""

from __future__ import annotations

import dataclasses
import math
import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sync_engine.backbones import tiny_decoder
from sync_engine.backbones.loading import folder_of, read_index
from sync_engine.backbones.model import Model
from sync_engine.canvas import Canvas
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas, yaw_of_seed
from sync_engine.canvas.tiled_decode import TiledFallbackDecoder
from sync_engine.catalog import models
from sync_engine.common.device import is_out_of_memory, window_batch
from sync_engine.common.errors import JobCancelled, OutOfMemory, OutputError
from sync_engine.common.progress import Reporter
from sync_engine.diffusion import refinement
from sync_engine.diffusion.joint_loop import Step, WindowBatch
from sync_engine.guiding.regions import Regions, background
from sync_engine.interface.guides import Sun
from sync_engine.interface.loras import Lora
from sync_engine.interface.messages import Stage
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.wording import Message
from sync_engine.prompting import sun_in_prompt
from sync_engine.prompting.conditioning import Conditioning
from sync_engine.prompting.view_prompts import light_phrases, phrases_of, window_prompts
from sync_engine.runtime import output, results
from sync_engine.runtime.checkpoint import Checkpoint
from sync_engine.runtime.model_cache import ModelCache
from sync_engine.sync.method import MethodSettings, Sampling, SyncContext
from sync_engine.sync.methods import METHODS

PREVIEW_SHARE = 0.05
"""Live previews may take this share of the denoising time."""
PREVIEW_EVERY_S = 0.5


def with_seed(spec: EnvironmentSpec) -> EnvironmentSpec:
    """Return the spec with a seed, drawn if it had none."""
    if spec.seed is not None:
        return spec
    return dataclasses.replace(spec, seed=secrets.randbelow(2**31))


class Engine(ModelCache):
    """Keeps one model loaded between jobs and runs jobs one at a time."""

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
        EngineError for what the user can mend and JobCancelled; either way no file is left.
        """
        spec = with_seed(spec.validated())
        pixels = spec.width * spec.pixel_height
        with output.ResultFolder(out, needed_bytes=pixels * 12 + 2**20) as folder:
            try:
                timings = _Job(self, spec, folder, reporter, cancelled).run(job_id or folder.out.name)
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
                raise OutOfMemory(
                    Message(
                        "There is not enough memory for {width} × {height} with {model}.",
                        width=spec.width,
                        height=spec.pixel_height,
                        model=spec.model,
                    ),
                    "Choose a smaller size or model, or close other programs.",
                ) from error
        names = {"image": output.IMAGE_NAMES[spec.kind], "preview": "preview.png", "spec": "spec.json"}
        return {kind: str(folder.out / name) for kind, name in names.items()}, timings


class _Job:
    """The stages of one job and what they share."""

    def __init__(
        self,
        engine: Engine,
        spec: EnvironmentSpec,
        folder: output.ResultFolder,
        reporter: Reporter,
        cancelled: Callable[[], bool],
    ) -> None:
        self.engine, self.spec, self.folder = engine, spec, folder
        self.method = METHODS[spec.method]
        self.reporter, self.cancelled = reporter, cancelled
        self.timings: dict[str, float] = {}
        self._sky: sun_in_prompt.Luminary | None = None
        self._light_phrases: dict[str, str] = {}
        self._preview_cost, self._last_preview, self._denoise_start = 0.0, 0.0, 0.0

    def run(self, job_id: str) -> dict[str, float]:
        started = time.perf_counter()
        self.regions = Regions(self.spec)
        model = models.find(self.spec.model)
        self._fetch(model)
        model = models.with_defaults(model, folder_of(model))
        steps = self.spec.steps or model.steps
        guidance = model.guidance if self.spec.guidance is None else self.spec.guidance
        tiny, tiny_folder = tiny_decoder.find(self.spec.tiny_decoder, read_index(folder_of(model)))
        backbone = self._stage(
            "load", lambda: self.engine.backbone(self.spec, tiny_folder, self.reporter.note)
        )
        chosen = self.method.settings(self.spec, steps, backbone.folder)
        unknown = backbone.unknown_words(self.spec.prompt)
        if unknown:
            self.reporter.note(
                Message(
                    "The model {model} does not know: {unknown}.",
                    model=self.spec.model,
                    unknown=", ".join(unknown),
                )
            )
        unread = backbone.cut_off(self.spec.prompt)
        if unread:
            self.reporter.note(
                Message(
                    "The model {model} reads no more than the beginning of the prompt; left out: {words}",
                    model=self.spec.model,
                    words=unread,
                )
            )
        if self.spec.solver != "auto" and not backbone.has_solvers:
            self.reporter.note(
                Message("The model {model} has one solver, Euler's for flows.", model=self.spec.model)
            )
        if not backbone.guided and guidance > 1:
            guidance = 1.0
            if self.spec.guidance is not None or self.spec.negative:
                name = self.spec.model
                self.reporter.note(
                    Message("The model {name} takes neither guidance nor a negative prompt.", name=name)
                )
        canvas = self._canvas(backbone, chosen)
        self._light_phrases = light_phrases(backbone.folder)
        if isinstance(canvas, SphereCanvas):
            self._sky = sun_in_prompt.sky_of(
                self.spec.prompt, int(self.spec.seed or 0), canvas.views, self._sun
            )
        conditioning = self._stage("encode", lambda: self._encode(backbone, canvas, guidance))
        latents = self._stage("denoise", lambda: self._denoise(backbone, canvas, conditioning, chosen, steps))
        first, *larger = self._heights(backbone, canvas)
        picture = self._stage("decode", lambda: self._decode(backbone, canvas, latents, first))
        for height in larger:
            refine = partial(self._refine, backbone, picture, height, chosen, steps, guidance)
            picture = self._stage("detail", refine)
        full = dataclasses.replace(
            self.spec,
            height=self.spec.pixel_height,
            steps=steps,
            guidance=guidance,
            loras=tuple(str(Lora.parse(text)) for text in self.spec.loras),
            sync_strength=chosen.strength,
            sync_steps=chosen.steps,
            sync_decay=chosen.decay,
            stride=self._stride(backbone),
            tiny_decoder=tiny,
        )
        pixels = picture.permute(1, 2, 0).numpy()
        sky = sun_in_prompt.known_light(self.spec.prompt, self._sky, self._light_phrases, self._sun)
        light = self._stage("write", lambda: results.write_pictures(self.folder.partial, pixels, full, sky))
        self.timings["total"] = round(time.perf_counter() - started, 3)
        files = self.regions.keep_files(self.folder.partial)
        results.write_record(
            self.folder.partial, full, backbone, job_id, self.timings, light, chosen.net, files
        )
        return self.timings

    def _fetch(self, model: models.Model) -> None:
        """Fetch what a model needs of the hub and is not on this computer yet, if it is pinned."""
        from sync_engine.downloads import fetch, store

        wanted = models.TABLE[model.base] if model.base else model
        only_texts = bool(model.base) and not model.base_weights
        if not wanted.on_hub or (store.texts_of if only_texts else store.installed)(wanted) is not None:
            return
        download = partial(fetch.for_job, wanted, self.reporter, self._check_cancel, only_texts=only_texts)
        self._stage("download", download)

    def _stage(self, name: str, work: Callable[[], Any]) -> Any:
        self._check_cancel()
        self.reporter.stage(name)
        start = time.perf_counter()
        result = work()
        self.timings[name] = round(self.timings.get(name, 0.0) + time.perf_counter() - start, 3)
        return result

    def _check_cancel(self) -> None:
        if self.cancelled():
            raise JobCancelled

    def _canvas(self, backbone: Model, chosen: MethodSettings) -> Canvas:
        if self.spec.kind == "world" and self.spec.projection == "sphere":
            return SphereCanvas(backbone.window, turn=self._turn)
        return PlaneCanvas(
            self.spec.pixel_height // backbone.scale,
            self.spec.width // backbone.scale,
            backbone.window,
            self._stride(backbone),
            wrap=self.spec.kind == "world",
            uniform=chosen.uniform,
            starts=self.method.window_starts,
        )

    @property
    def _sun(self) -> Sun | None:
        return next((guide for guide in self.spec.guides if isinstance(guide, Sun)), None)

    @property
    def _turn(self) -> float:
        seed = int(self.spec.seed or 0)
        return yaw_of_seed(seed) if self._sun is None else sun_in_prompt.yaw_towards(self._sun, seed)

    def _stride(self, backbone: Model) -> int:
        return self.spec.stride or self.method.stride(backbone.window)

    def _encode(self, backbone: Model, canvas: Canvas, guidance: float) -> Conditioning:
        wanted = window_prompts(self.spec, canvas.elevations, phrases_of(backbone.folder))
        if isinstance(canvas, SphereCanvas):
            own = (self.spec.prompt_zenith, self.spec.prompt_nadir)
            wanted = sun_in_prompt.lit_prompts(wanted, canvas.views, self._sky, self._light_phrases, own)
        if self.regions:
            return self.regions.conditioning(backbone, canvas, wanted, guidance)
        distinct = list(dict.fromkeys(wanted))
        negative = backbone.encode([self.spec.negative])
        return Conditioning.one_prompt_each(
            backbone.encode(distinct), negative, [distinct.index(w) for w in wanted], guidance
        )

    def _denoise(
        self, backbone: Model, canvas: Canvas, conditioning: Conditioning, chosen: MethodSettings, steps: int
    ) -> torch.Tensor:
        generator = torch.Generator().manual_seed(int(self.spec.seed or 0))
        state = canvas.noise(backbone.channels, generator).to(backbone.device)
        backbone.offload_for(Stage.DENOISE)
        batch = self._batch(backbone)
        self._denoise_start = time.perf_counter()
        context = SyncContext(
            model=backbone, batch=batch.size, elevations=canvas.elevations, nets=self.engine.nets
        )
        run = Sampling(
            canvas=canvas,
            scheduler=partial(backbone.scheduler, chosen.solver, steps, canvas.window_size),
            state=state,
            conditioning=conditioning,
            generator=generator,
            batch=batch,
            on_step=lambda step: self._on_step(backbone, canvas, step),
            guides=[self.regions.guide(backbone, steps)] if self.regions else [],
            background=background(self.regions.masks(canvas)) if self.regions else None,
            checkpoint=Checkpoint(
                self.folder.partial, self.spec, backbone.device, backbone.dtype, self._on_resume
            ),
        )
        return self.method.sample(chosen, context, run)

    def _on_resume(self, step: int) -> None:
        self.reporter.note(f"An earlier run of this job was interrupted; this one goes on after step {step}.")

    def _batch(self, backbone: Model) -> WindowBatch:
        size = window_batch(backbone.device, backbone.window)
        return WindowBatch(size, self.reporter.note, self._check_cancel)

    def _on_step(self, backbone: Model, canvas: Canvas, step: Step) -> None:
        self._check_cancel()
        self.reporter.step(step.step, step.steps, self._preview(backbone, canvas, step))

    def _preview(self, backbone: Model, canvas: Canvas, step: Step) -> Path | None:
        """Write the picture as it is now, when previews are wanted and cost little enough."""
        now = time.perf_counter()
        elapsed = now - self._denoise_start
        late = now - self._last_preview > PREVIEW_EVERY_S
        if not self.reporter.wants_preview or not late or self._preview_cost > PREVIEW_SHARE * elapsed:
            return None
        picture = backbone.preview_decode(canvas.thumbnail(step.x0))[0].float().add(1).div(2).clamp(0, 1)
        path = self.folder.partial / "live.png"
        try:
            output.write_png(path, picture.permute(1, 2, 0).cpu().numpy())
        except OSError as error:  # a full disk, say; the picture itself may still fit
            self.reporter.note(f"There are no more previews: {error}.")
            self._preview_cost = math.inf
            return None
        self._last_preview = time.perf_counter()
        self._preview_cost += self._last_preview - now
        return path

    def _heights(self, backbone: Model, canvas: Canvas) -> list[int]:
        """The picture's height after each pass: one pass, but for worlds above the model's own size."""
        wanted = self.spec.pixel_height
        if isinstance(canvas, PlaneCanvas):
            return [wanted]
        return refinement.heights(refinement.native_height(backbone.window, backbone.scale), wanted)

    def _decode(self, backbone: Model, canvas: Canvas, latents: torch.Tensor, height: int) -> torch.Tensor:
        backbone.offload_for(Stage.DECODE)
        return canvas.decode(
            TiledFallbackDecoder(backbone, self.reporter.note), latents, height, self._on_part
        )

    def _on_part(self, done: int, parts: int) -> None:
        self._check_cancel()
        self.reporter.step(done, parts)

    def _refine(
        self,
        backbone: Model,
        picture: torch.Tensor,
        height: int,
        chosen: MethodSettings,
        steps: int,
        guidance: float,
    ) -> torch.Tensor:
        self._denoise_start, self._preview_cost = time.perf_counter(), 0.0
        return refinement.refine(
            backbone,
            picture,
            height,
            self._turn,
            condition=lambda canvas: self._encode(backbone, canvas, guidance),
            scheduler=backbone.scheduler(chosen.solver, steps),
            generator=torch.Generator().manual_seed(int(self.spec.seed or 0) + height),
            batch=self._batch(backbone),
            on_step=lambda canvas, step: self._on_step(backbone, canvas, step),
            on_part=self._on_part,
        )
