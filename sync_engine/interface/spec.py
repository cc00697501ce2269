# SPDX-License-Identifier: GPL-3.0-or-later
"""EnvironmentSpec: the one description of a job, its limits and its validator."""

from __future__ import annotations

import dataclasses
import difflib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .bounded_json import read_json
from .devices import check_device, devices_in
from .guides import Control, Guide, Picture, check_guides, files_of, guide_from_dict
from .limits import KINDS, LIMITS, PRECISIONS, PROJECTIONS, SOLVERS, WORLD_WIDTH
from .loras import Lora, check_loras
from .memory_plan import OFFLOADS, WEIGHTS
from .methods import METHODS
from .panoramas import paints_panoramas
from .validation import Limit, SpecError, check_choice, check_number, check_prompt, check_text
from .wording import Message

SPEC_VERSION = 1
DEFAULT_PLATE_HEIGHT = 512


@dataclass(frozen=True)
class EnvironmentSpec:
    """What to make. The same spec, seed and device type give the same picture.

    ``None`` means "the default of the chosen model or method", settled by the engine and
    written into the result's ``spec.json``.

    Attributes:
        prompt: what the environment shows.
        negative: what it should not show.
        kind: ``world`` (2:1 equirectangular) or ``plate`` (a wide flat picture).
        width, height: pixels; ``height`` follows from ``width`` for a world.
        projection: how a world is painted: ``sphere`` joins perspective views around the sphere;
            ``equirectangular`` joins windows of the picture itself; ``panorama`` paints the whole picture
            in one window, for models and LoRAs that were trained on whole 360° pictures; ``auto`` is
            ``panorama`` where a model or a LoRA calls itself one of these (``panoramas``), else ``sphere``.
            A plate does not use it.
        trigger: words that a panorama's model or LoRA was trained with; they stand before the prompt of
            the whole picture. Empty takes those that the LoRA's file tells, or that are known.
        prompt_zenith, prompt_nadir: what the views straight up and down show; empty derives them
            from ``prompt``. Only a world on the sphere uses them.
        method: how the windows are joined, a name of ``methods.METHODS``.
        model: ``draft``, a name of the table of models, a hub id, a folder, or a safetensors file.
        loras: safetensors files of changes to the model, each ``FILE`` or ``FILE:WEIGHT``.
        tiny_decoder: what previews and ``sync`` decode with: ``auto`` (the family's tiny decoder, where it
            is on this computer), ``none`` (the model's own), a tiny decoder's name or folder.
        solver: how steps are made; ``auto`` is the model's and the method's own. LoRAs that distil a model
            want theirs: ``lcm``, or ``euler-trailing`` (Lightning, Hyper).
        steps: denoising steps.
        guidance: classifier-free guidance scale.
        seed: seed of the initial noise; ``None`` draws one.
        sync_strength: weight of the sync gradient; each method has its own usual strength.
        sync_steps: number of initial steps with sync; with ``sync`` and a model whose windows are decoded for
            it, every second of them.
        sync_decay: factor on the strength from one step to the next.
        stride: distance of neighbouring windows in latent cells (8 pixels each, 16 with FLUX.2 klein).
        sun_stops: strength of a world's lights in stops over everything else; ``None`` estimates it.
        ldr: keep the range of the picture: no light is added to a world.
        exposure: EV applied to a world; ``None`` darkens one that would burn a white ball out.
        guides: what parts of the picture show, see ``guides``.
        enlarge: a 360° picture that this job only makes larger: detail passes from it, with its layout and
            its light. Empty paints a new one.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``; with commas (``cuda:0,cuda:1``) several
            CUDA devices that paint one picture together.
        precision: arithmetic of the network.
        weights: how the denoiser's weights are kept: as it computes (``full``) or in 8 bits (``fp8``);
            ``auto`` decides by the free memory of the GPU.
        offload: whether all parts stay on the GPU (``none``), the text encoder and the denoiser take turns
            there (``model``), or layers are lent to it one by one (``group``); ``auto`` decides as above.
        compile: whether torch compiles the denoiser on a CUDA device.
    """

    prompt: str
    negative: str = ""
    kind: str = "world"
    width: int = 1024
    height: int | None = None
    projection: str = "auto"
    trigger: str = ""
    prompt_zenith: str = ""
    prompt_nadir: str = ""
    method: str = "sync"
    model: str = "draft"
    loras: tuple[str, ...] = ()
    tiny_decoder: str = "auto"
    solver: str = "auto"
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    sync_strength: float | None = None
    sync_steps: int | None = None
    sync_decay: float | None = None
    stride: int | None = None
    sun_stops: float | None = None
    ldr: bool = False
    exposure: float | None = None
    guides: tuple[Guide, ...] = ()
    enlarge: str = ""
    device: str = "auto"
    precision: str = "auto"
    weights: str = "auto"
    offload: str = "auto"
    compile: bool = False

    @property
    def pixel_height(self) -> int:
        """Height of the picture in pixels."""
        if self.height is not None:
            return self.height
        return self.width // 2 if self.kind == "world" else DEFAULT_PLATE_HEIGHT

    def validated(self) -> EnvironmentSpec:
        """Return this spec if every field can be used; raise SpecError for the first that cannot."""
        check_prompt("prompt", self.prompt, required=True)
        check_prompt("negative", self.negative, required=False)
        check_prompt("trigger", self.trigger, required=False)
        check_prompt("prompt_zenith", self.prompt_zenith, required=False)
        check_prompt("prompt_nadir", self.prompt_nadir, required=False)
        check_choice("kind", self.kind, KINDS)
        check_choice("projection", self.projection, PROJECTIONS)
        check_choice("method", self.method, tuple(METHODS))
        check_text("model", self.model)
        check_loras(self.loras)
        self._check_canvas()
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("weights", self.weights, WEIGHTS)
        check_choice("offload", self.offload, OFFLOADS)
        check_choice("solver", self.solver, SOLVERS)
        check_text("tiny_decoder", self.tiny_decoder)
        check_device(self.device, self.method, self.canvas)
        check_number("width", self.width, self._width_limit, whole=True)
        if self.height is not None:
            check_number("height", self.height, LIMITS["height"], whole=True)
        if self.kind == "world" and self.height is not None and self.height * 2 != self.width:
            raise SpecError(
                "height",
                self.height,
                Message("a world is twice as wide as high and the width is {width}", width=self.width),
                Message("Use {half}, or leave the height out.", half=self.width // 2),
            )
        for name in ("steps", "seed", "sync_steps", "stride"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), LIMITS[name], whole=True)
        for name in ("ldr", "compile"):
            if not isinstance(getattr(self, name), bool):
                raise SpecError(name, getattr(self, name), "neither true nor false", "Use true or false.")
        self._check_guides()
        self._check_enlarge()
        for name in ("guidance", "sync_strength", "sync_decay", "sun_stops", "exposure"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), LIMITS[name], whole=False)
        return self

    @property
    def canvas(self) -> str:
        """What the picture is painted on, one of ``method_facts.CANVASES``."""
        if self.kind != "world":
            return "plate"
        if self.projection != "auto":
            return self.projection
        loras = self.loras if isinstance(self.loras, tuple) else ()
        known = METHODS[self.method].canvases
        return "panorama" if "panorama" in known and paints_panoramas(self.model, loras) else "sphere"

    def _check_canvas(self) -> None:
        allowed = METHODS[self.method].canvases
        if self.canvas in allowed:
            return
        field = "kind" if self.kind == "plate" or not set(allowed) & set(PROJECTIONS) else "projection"
        able = ", ".join(name for name, method in METHODS.items() if self.canvas in method.canvases)
        raise SpecError(
            field,
            self.canvas if field == "projection" else self.kind,
            Message("the method {method} cannot paint it", method=self.method),
            Message(
                "It paints: {canvases}. Or use the method {others}.",
                canvases=", ".join(allowed),
                others=able,
            ),
        )

    @property
    def devices(self) -> list[str]:
        """The devices that paint the picture together; most often one."""
        return devices_in(self.device)

    def _check_guides(self) -> None:
        if self.guides and not METHODS[self.method].takes_guides:
            able = ", ".join(name for name, method in METHODS.items() if method.takes_guides)
            raise SpecError(
                "guides",
                len(self.guides),
                Message("the method {method} takes no guides", method=self.method),
                Message("Use the method {others}.", others=able),
            )
        check_guides(self.guides, self.canvas)

    def _check_enlarge(self) -> None:
        if self.enlarge == "":
            return
        check_text("enlarge", self.enlarge)
        if self.canvas != "sphere":
            raise SpecError(
                "enlarge", self.enlarge, "only a world on the sphere is enlarged", "Leave it out."
            )
        if any(isinstance(guide, (Picture, Control)) for guide in self.guides):
            raise SpecError(
                "enlarge", self.enlarge, "it takes no pictures as guides", "Leave those guides out."
            )

    @property
    def _width_limit(self) -> Limit:
        return WORLD_WIDTH if self.kind == "world" else LIMITS["width"]

    def seeded(self) -> EnvironmentSpec:
        """Return this spec with a seed: its own, or one drawn here."""
        if self.seed is not None:
            return self
        return dataclasses.replace(self, seed=secrets.randbelow(int(LIMITS["seed"].maximum) + 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        guides = [guide.to_dict() for guide in self.guides]
        return dataclasses.asdict(self) | {"loras": list(self.loras), "guides": guides}

    def without_paths(self) -> EnvironmentSpec:
        """Return the spec as a picture keeps it, which may go anywhere: files by their names alone."""
        loras = tuple(str(Lora(_name(lora.file), lora.weight)) for lora in map(Lora.parse, self.loras))
        guides = tuple(dataclasses.replace(guide, **_without_folders(guide)) for guide in self.guides)
        return dataclasses.replace(
            self,
            model=_name(self.model),
            tiny_decoder=_name(self.tiny_decoder),
            loras=loras,
            guides=guides,
            enlarge=_name(self.enlarge),
        )

    def to_json(self) -> str:
        """Return the spec as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, data: object) -> EnvironmentSpec:
        """Build and validate a spec from plain JSON values; raise SpecError naming a bad field."""
        if not isinstance(data, Mapping):
            raise SpecError("spec", data, "not a JSON object", 'Give an object such as {"prompt": "…"}.')
        names = {field.name for field in dataclasses.fields(cls)}
        for name in data:
            if name not in names:
                near = difflib.get_close_matches(str(name), sorted(names), n=1)
                hint = (
                    Message("Did you mean {near}?", near=near[0])
                    if near
                    else Message("Known fields: {names}.", names=", ".join(sorted(names)))
                )
                raise SpecError(str(name), data[name], "no such field", hint)
        if "prompt" not in data:
            raise SpecError("prompt", None, "missing", "Describe the environment in a few words.")
        values = dict(data)
        if isinstance(values.get("loras"), list):
            values["loras"] = tuple(values["loras"])  # JSON knows no tuples
        if isinstance(values.get("guides"), (list, tuple)):
            values["guides"] = tuple(guide_from_dict(n, data) for n, data in enumerate(values["guides"]))
        return cls(**values).validated()

    @classmethod
    def from_record(cls, data: object) -> EnvironmentSpec:
        """Do the same for what a result keeps; fields that only a newer version has are left out."""
        if isinstance(data, Mapping):
            names = {field.name for field in dataclasses.fields(cls)}
            data = {name: value for name, value in data.items() if name in names}
        return cls.from_dict(data)

    @classmethod
    def from_json(cls, text: str) -> EnvironmentSpec:
        """Build and validate a spec from JSON text."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SpecError(
                "spec", text, Message("not JSON ({reason})", reason=error), "Check the file or the line."
            ) from error
        return cls.from_dict(data)

    @classmethod
    def from_file(cls, path: Path) -> EnvironmentSpec:
        """Read a spec from a JSON file, or from the ``spec.json`` of an earlier result."""
        try:
            data = read_json(path)
        except OSError as error:
            raise SpecError(
                "spec", str(path), Message("cannot be read ({reason})", reason=error), "Name a readable file."
            ) from error
        except ValueError as error:
            raise SpecError(
                "spec", str(path), Message("not JSON ({reason})", reason=error), "Check the file."
            ) from error
        if isinstance(data, dict) and isinstance(data.get("spec"), dict):
            data = data["spec"]
        return cls.from_dict(data)


def _without_folders(guide: Guide) -> dict[str, str]:
    names = {field: path.name for field, path in files_of(guide).items()}
    return names | ({"model": _name(guide.model)} if isinstance(guide, Control) else {})


def _name(place: str) -> str:
    """Return the last part of an absolute path; a hub id, a name or a relative path as it is."""
    if PurePosixPath(place).is_absolute() or PureWindowsPath(place).is_absolute() or place.startswith("~"):
        return PureWindowsPath(place).name or place  # both kinds of slashes part its path
    return place
