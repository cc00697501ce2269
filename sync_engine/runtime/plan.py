# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job will do, settled once before its model is loaded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sync_engine.backbones import controlnets, tiny_decoder
from sync_engine.backbones.loading import folder_of, read_index
from sync_engine.backbones.loras import trigger_of
from sync_engine.backbones.model import Model
from sync_engine.canvas import Canvas
from sync_engine.canvas.panorama import PanoramaCanvas
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas, yaw_of_seed
from sync_engine.catalog import models
from sync_engine.catalog.model_index import Index
from sync_engine.common.device import choose_device, choose_dtype
from sync_engine.common.ranks import ALONE, Ranks
from sync_engine.guiding.control_maps import ControlMap, maps_of
from sync_engine.guiding.pictures import Kept, kept_of
from sync_engine.guiding.regions import Regions
from sync_engine.interface.guides import Control, Guide, Sun, files_of
from sync_engine.interface.loras import Lora
from sync_engine.interface.panoramas import known_trigger
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.wording import Message
from sync_engine.prompting import sun_in_prompt
from sync_engine.prompting.marks import marks_in
from sync_engine.prompting.view_prompts import light_phrases, phrases_of
from sync_engine.radiance.lights import SkyLight
from sync_engine.runtime.enlargement import Enlargement
from sync_engine.sync.feature_nets import FeatureNet
from sync_engine.sync.method import Method, MethodSettings
from sync_engine.sync.methods import METHODS


@dataclass(frozen=True)
class PlannedControl:
    """A map and the ControlNet that makes the picture follow it."""

    map: ControlMap
    net: controlnets.Found


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """A job, resolved: nothing of it is looked up again.

    Attributes:
        spec: as the door validated it.
        seed: of every draw of the job.
        row: the model's row of the table, with the steps and the guidance that its folder speaks for.
        folder, index: where the model is, and what its folder says of itself.
        device, dtype: where the job computes, and in which precision.
        loras: changes to the model.
        tiny_name, tiny_folder: the tiny decoder; no folder where none is used.
        steps: denoising steps of a whole run.
        guidance: as asked for; 1 where the model knows none, see ``guidance_of``.
        regions: the guides that are parts of the picture with prompts of their own.
        sun: the guide that says where the sun stands.
        controls: the guides that are maps and do something, each with the ControlNet that follows it.
        kept: what is kept of pictures, or painted anew from one.
        smaller: the picture that is only made larger.
        method, settings: how the windows are joined, with the feature net that they are compared through.
        phrases: what the model was taught to call views by elevation.
        light_phrases: what it was taught to call a view with the sun or the moon in it.
        trigger: words before the prompt of a panorama; empty for none, and on other canvases.
        ranks: the processes that paint it together, each on its device of the spec.
    """

    spec: EnvironmentSpec
    seed: int
    row: models.Model
    folder: Path
    index: Index
    device: torch.device
    dtype: torch.dtype
    loras: tuple[Lora, ...]
    tiny_name: str
    tiny_folder: Path | None
    steps: int
    guidance: float
    regions: Regions
    sun: Sun | None
    controls: tuple[PlannedControl, ...]
    kept: Kept | None
    smaller: Enlargement | None
    method: Method[Any]
    settings: MethodSettings
    phrases: tuple[tuple[float, float, str], ...]
    light_phrases: dict[str, str]
    trigger: str
    ranks: Ranks = ALONE

    @classmethod
    def of(
        cls,
        spec: EnvironmentSpec,
        row: models.Model,
        regions: Regions | None = None,
        kept: Kept | None = None,
        maps: tuple[ControlMap, ...] | None = None,
        smaller: Enlargement | None = None,
        rank: int = 0,
    ) -> JobPlan:
        """Settle a job whose model (``models.find``) is on this computer.

        ``regions``, ``kept``, ``maps`` and ``smaller`` are the spec's, where they have been read already.
        Of the spec's devices the job is settled for the one of number ``rank``.

        Raises:
            ModelNotAvailable: the model, or the tiny decoder or a ControlNet that the spec names, is not here
                or not usable.
            EngineError: the device or the precision is not there.
        """
        spec = spec.seeded()
        assert spec.seed is not None
        device = choose_device(spec.devices[rank])
        folder = folder_of(row)
        index = read_index(folder)
        row = models.with_defaults(row, folder)
        tiny_name, tiny_folder = tiny_decoder.find(spec.tiny_decoder, index)
        steps, method = spec.steps or row.steps, METHODS[spec.method]
        return cls(
            spec=spec,
            seed=spec.seed,
            row=row,
            folder=folder,
            index=index,
            device=device,
            dtype=choose_dtype(spec.precision, device),
            loras=tuple(Lora.parse(text) for text in spec.loras),
            tiny_name=tiny_name,
            tiny_folder=tiny_folder,
            steps=steps,
            guidance=row.guidance if spec.guidance is None else spec.guidance,
            regions=Regions(spec) if regions is None else regions,
            sun=next((guide for guide in spec.guides if isinstance(guide, Sun)), None),
            controls=tuple(
                PlannedControl(
                    read, controlnets.find(controlnets.row_of(read.guide, folder, index), folder, index)
                )
                for read in (maps_of(spec) if maps is None else maps)
                if read.guide.scale != 0
            ),
            kept=kept_of(spec) if kept is None else kept,
            smaller=Enlargement.of(spec) if smaller is None else smaller,
            method=method,
            settings=_settings(method, spec, steps, folder),
            phrases=phrases_of(folder),
            light_phrases=light_phrases(folder),
            trigger=_trigger(spec) if spec.canvas == "panorama" else spec.trigger,
        )

    @property
    def yaw(self) -> float:
        """How far the views of a world are turned around the vertical, in degrees."""
        return yaw_of_seed(self.seed) if self.sun is None else sun_in_prompt.yaw_towards(self.sun, self.seed)

    @property
    def files(self) -> list[Path]:
        """What the job reads: the model's weights, LoRAs, what guides name."""
        named = [path for guide in self.spec.guides for path in files_of(guide).values()]
        named += [Path(self.spec.enlarge)] if self.spec.enlarge else []
        named += [Path(lora.file).expanduser() for lora in self.loras]
        for place in (self.folder, *(planned.net.place for planned in self.controls)):
            named += place.rglob("*.safetensors") if place.is_dir() else [place]
        return named

    def stride(self, model: Model) -> int:
        """Return the largest distance of neighbouring windows in cells."""
        return self.spec.stride or self.method.stride(model.window)

    def guidance_of(self, model: Model) -> float:
        """Return the guidance scale: 1 for a model that was distilled to know none."""
        return self.guidance if model.guided else min(1.0, self.guidance)

    def canvas(self, model: Model) -> Canvas:
        """Return the canvas of the first pass for the windows of a loaded model."""
        if self.spec.canvas == "sphere":
            return SphereCanvas(model.window, turn=self.yaw, ranks=self.ranks)
        if self.spec.canvas == "panorama":
            return PanoramaCanvas(model.window, model.scale)
        return PlaneCanvas(
            self.spec.pixel_height // model.scale,
            self.spec.width // model.scale,
            model.window,
            self.stride(model),
            wrap=self.spec.canvas == "equirectangular",
            uniform=self.settings.uniform,
            starts=self.method.window_starts,
            ranks=self.ranks,
        )

    def heights(self, canvas: Canvas, model: Model) -> list[int]:
        """Return the picture's height after each pass; the first is that of a picture made larger."""
        if self.smaller is not None:
            return [self.smaller.shown.shape[1], *self.smaller.heights(self.spec.pixel_height)]
        return canvas.heights(self.spec.pixel_height, model.scale)

    @property
    def net(self) -> FeatureNet | None:
        """What windows are compared through; none where only detail passes run."""
        return self.settings.net if self.smaller is None else None

    def sky(self, canvas: Canvas) -> sun_in_prompt.Luminary | None:
        """Return the sun or the moon that the prompt puts into the views of a canvas, None without one."""
        if self.smaller is not None:
            return self.smaller.sky
        return sun_in_prompt.sky_of(self.spec.prompt, self.seed, canvas.views, self.sun)

    def light(self, sky: sun_in_prompt.Luminary | None) -> SkyLight | None:
        """Return what is known of a world's light before it is looked at."""
        return sun_in_prompt.known_light(self.spec.prompt, sky, self.light_phrases, self.sun)

    def notes(self, model: Model) -> list[Message]:
        """Return what the user should know of a loaded model and this job, a sentence each."""
        name = self.spec.model
        found: list[Message] = []
        unknown = model.unknown_words(self.spec.prompt)
        if unknown:
            words = ", ".join(unknown)
            found.append(Message("The model {model} does not know: {unknown}.", model=name, unknown=words))
        marks = marks_in(self.spec.prompt)
        if marks:
            found.append(
                Message(
                    "In the prompt {marks} have no meaning here: they are read as words. LoRAs are a "
                    "setting of their own; what is to count more comes first.",
                    marks=", ".join(marks),
                )
            )
        unread = model.cut_off(self.spec.prompt)
        if unread:
            found.append(
                Message(
                    "The model {model} reads no more than the beginning of the prompt; left out: {words}",
                    model=name,
                    words=unread,
                )
            )
        if self.spec.solver != "auto" and not model.has_solvers:
            found.append(Message("The model {model} has one solver, Euler's for flows.", model=name))
        asked = self.spec.guidance is not None or self.spec.negative
        if self.guidance_of(model) < self.guidance and asked:
            found.append(Message("The model {name} takes neither guidance nor a negative prompt.", name=name))
        return found

    def complete_spec(self, model: Model) -> EnvironmentSpec:
        """Return the spec with nothing left open: who runs it gets the same picture."""
        return dataclasses.replace(
            self.spec,
            height=self.spec.pixel_height,
            steps=self.steps,
            guidance=self.guidance_of(model),
            loras=tuple(str(lora) for lora in self.loras),
            sync_strength=self.settings.strength,
            sync_steps=self.settings.steps,
            sync_decay=self.settings.decay,
            stride=self.stride(model),
            tiny_decoder=self.tiny_name,
            weights=model.memory.weights,
            projection=self.spec.canvas if self.spec.kind == "world" else self.spec.projection,
            trigger=self.trigger,
            guides=self._named_guides(),
        )

    def _named_guides(self) -> tuple[Guide, ...]:
        """Return the guides, those that leave their ControlNet open with its name."""
        names = {id(planned.map.guide): planned.net.row.model.name for planned in self.controls}
        return tuple(
            dataclasses.replace(guide, model=guide.model or names[id(guide)])
            if isinstance(guide, Control) and guide.scale != 0
            else guide
            for guide in self.spec.guides
        )


def _settings(method: Method[Any], spec: EnvironmentSpec, steps: int, folder: Path) -> MethodSettings:
    """Return what a job samples with: one window has nobody to agree with, so nothing is loaded for it."""
    found = method.settings(spec, steps, folder)
    return dataclasses.replace(found, strength=0.0) if spec.canvas == "panorama" else found


def _trigger(spec: EnvironmentSpec) -> str:
    """Return the words that wake a panorama's model: the spec's, those in a LoRA's file, or known ones."""
    told = (trigger_of(Lora.parse(text)) for text in spec.loras)
    return spec.trigger or next(filter(None, told), "") or known_trigger(spec.model, spec.loras)
