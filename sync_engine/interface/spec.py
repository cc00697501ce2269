# SPDX-License-Identifier: GPL-3.0-or-later
"""EnvironmentSpec: the one description of a job, its limits and its validator."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .bounded_json import read_json
from .loras import Lora
from .methods import METHODS
from .wording import Message, as_message

SPEC_VERSION = 1
KINDS = ("world", "plate")
PROJECTIONS = ("sphere", "equirectangular")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
SOLVERS = ("auto", "dpm", "unipc", "euler", "euler-trailing", "euler-ancestral", "ddim", "lcm")
OFFLOADS = ("auto", "none", "model")
MAX_PROMPT_CHARACTERS = 2000
DEFAULT_PLATE_HEIGHT = 512
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")


@dataclass(frozen=True)
class Limit:
    """The allowed range of one number: ``minimum <= value <= maximum``, in steps of ``step``."""

    minimum: float
    maximum: float
    step: int = 1


LIMITS: dict[str, Limit] = {
    "width": Limit(64, 16384, 64),
    "height": Limit(64, 4096, 64),
    "steps": Limit(1, 200),
    "guidance": Limit(0.0, 30.0),
    "seed": Limit(0, 2**31 - 1),
    "sync_strength": Limit(0.0, 100.0),
    "sync_steps": Limit(0, 200),
    "sync_decay": Limit(0.0, 1.0),
    "stride": Limit(1, 512),
    "sun_stops": Limit(-10.0, 10.0),
    "exposure": Limit(-20.0, 20.0),
}
MAX_LORAS, LORA_WEIGHT = 8, Limit(-10.0, 10.0)
WORLD_WIDTH = Limit(256, 8192, 128)
"""A world is twice as wide as high, so that its height is a multiple of 64 pixels too."""


class SpecError(ValueError):
    """A field of a spec cannot be used; names the field, the value and the remedy.

    Attributes:
        field: name of the field.
        value: what was given, shortened for display.
        problem: what is wrong with it.
        remedy: what to do.
        message: field, value and problem as one sentence.
    """

    def __init__(self, field: str, value: object, problem: str, remedy: str) -> None:
        shown = repr(value)
        if len(shown) > 60:
            shown = f"{shown[:57]}..."
        self.field, self.value, self.problem, self.remedy = field, shown, problem, remedy
        values = {"field": field, "value": shown, "problem": as_message(problem)}
        self.message = Message("{field} = {value}: {problem}.", **values)
        super().__init__(f"{self.message} {remedy}")


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
            ``equirectangular`` joins windows of the picture itself, for models that were tuned on
            360° pictures. A plate does not use it.
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
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: arithmetic of the network.
        offload: whether the text encoder and the denoiser take turns on a GPU (``model``) or stay there
            together (``none``); ``auto`` decides by its free memory.
        compile: whether torch compiles the denoiser on a CUDA device.
    """

    prompt: str
    negative: str = ""
    kind: str = "world"
    width: int = 1024
    height: int | None = None
    projection: str = "sphere"
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
    device: str = "auto"
    precision: str = "auto"
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
        _check_prompt("prompt", self.prompt, required=True)
        _check_prompt("negative", self.negative, required=False)
        _check_prompt("prompt_zenith", self.prompt_zenith, required=False)
        _check_prompt("prompt_nadir", self.prompt_nadir, required=False)
        _check_choice("kind", self.kind, KINDS)
        _check_choice("projection", self.projection, PROJECTIONS)
        _check_choice("method", self.method, tuple(METHODS))
        self._check_canvas()
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("offload", self.offload, OFFLOADS)
        _check_choice("solver", self.solver, SOLVERS)
        _check_text("model", self.model)
        _check_loras(self.loras)
        _check_text("tiny_decoder", self.tiny_decoder)
        if not isinstance(self.device, str) or not _DEVICE.fullmatch(self.device):
            raise SpecError("device", self.device, "not a device", "Use auto, cpu, mps, cuda or cuda:N.")
        _check_number("width", self.width, self._width_limit, whole=True)
        if self.height is not None:
            _check_number("height", self.height, LIMITS["height"], whole=True)
        if self.kind == "world" and self.height is not None and self.height * 2 != self.width:
            raise SpecError(
                "height",
                self.height,
                Message("a world is twice as wide as high and the width is {width}", width=self.width),
                Message("Use {half}, or leave the height out.", half=self.width // 2),
            )
        for name in ("steps", "seed", "sync_steps", "stride"):
            if getattr(self, name) is not None:
                _check_number(name, getattr(self, name), LIMITS[name], whole=True)
        for name in ("ldr", "compile"):
            if not isinstance(getattr(self, name), bool):
                raise SpecError(name, getattr(self, name), "neither true nor false", "Use true or false.")
        for name in ("guidance", "sync_strength", "sync_decay", "sun_stops", "exposure"):
            if getattr(self, name) is not None:
                _check_number(name, getattr(self, name), LIMITS[name], whole=False)
        return self

    @property
    def canvas(self) -> str:
        """What the picture is painted on: ``sphere``, ``equirectangular`` or ``plate``."""
        return self.projection if self.kind == "world" else "plate"

    def _check_canvas(self) -> None:
        allowed = METHODS[self.method].canvases
        if self.canvas in allowed:
            return
        field = "kind" if self.kind == "plate" or not set(allowed) & set(PROJECTIONS) else "projection"
        able = ", ".join(name for name, method in METHODS.items() if self.canvas in method.canvases)
        raise SpecError(
            field,
            getattr(self, field),
            Message("the method {method} cannot paint it", method=self.method),
            Message(
                "It paints: {canvases}. Or use the method {others}.",
                canvases=", ".join(allowed),
                others=able,
            ),
        )

    @property
    def _width_limit(self) -> Limit:
        return WORLD_WIDTH if self.kind == "world" else LIMITS["width"]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return dataclasses.asdict(self) | {"loras": list(self.loras)}

    def without_paths(self) -> EnvironmentSpec:
        """Return the spec as a picture keeps it, which may go anywhere: files by their names alone."""
        loras = tuple(str(Lora(_name(lora.file), lora.weight)) for lora in map(Lora.parse, self.loras))
        return dataclasses.replace(
            self, model=_name(self.model), tiny_decoder=_name(self.tiny_decoder), loras=loras
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


def _name(place: str) -> str:
    """Return the last part of an absolute path; a hub id, a name or a relative path as it is."""
    if PurePosixPath(place).is_absolute() or PureWindowsPath(place).is_absolute() or place.startswith("~"):
        return PureWindowsPath(place).name or place  # both kinds of slashes part its path
    return place


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise SpecError(name, value, "empty or not a text", "Give a text.")
    if any(unicodedata.category(character) == "Cc" and character not in "\r\n\t" for character in value):
        raise SpecError(name, value, "contains control characters", "Remove them, or type the text again.")
    if any(unicodedata.category(character) == "Cs" for character in value):
        raise SpecError(name, value, "is not valid Unicode", "Type the text again.")


def _check_loras(value: object) -> None:
    if not isinstance(value, tuple):
        raise SpecError("loras", value, "not a list", 'Give a list such as ["file.safetensors:0.8"].')
    if len(value) > MAX_LORAS:
        raise SpecError("loras", value, Message("more than {most}", most=MAX_LORAS), "Use fewer.")
    for text in value:
        try:
            _check_text("loras", text)
        except SpecError as error:
            raise SpecError("loras", value, error.problem, error.remedy) from error
        if not LORA_WEIGHT.minimum <= Lora.parse(text).weight <= LORA_WEIGHT.maximum:
            raise SpecError(
                "loras", value, "a weight is out of range", Message("Use {span}.", span=_span(LORA_WEIGHT))
            )


def _check_prompt(name: str, value: object, required: bool) -> None:
    if not required and value == "":
        return
    if required and (not isinstance(value, str) or not value.strip()):
        raise SpecError(name, value, "empty", "Describe the environment in a few words.")
    _check_text(name, value)
    if len(str(value)) > MAX_PROMPT_CHARACTERS:
        raise SpecError(
            name,
            value,
            Message(
                "{length} characters long, at most {most} are allowed",
                length=len(str(value)),
                most=MAX_PROMPT_CHARACTERS,
            ),
            "Shorten it; models read only the first few dozen words.",
        )


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SpecError(
            name,
            value,
            "not one of the choices",
            Message("Use one of {choices}.", choices=", ".join(choices)),
        )


def _check_number(name: str, value: object, limit: Limit, whole: bool) -> None:
    wanted = Message("a whole number" if whole else "a number")
    remedy = Message("Use {wanted}, {span}.", wanted=wanted, span=_span(limit))
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise SpecError(name, value, Message("not {wanted}", wanted=wanted), remedy)
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError(name, value, "not a finite number", remedy)
    if not limit.minimum <= value <= limit.maximum:  # type: ignore[operator]
        raise SpecError(name, value, "out of range", remedy)
    if limit.step > 1 and value % limit.step:  # type: ignore[operator]
        nearest = max(limit.minimum, round(value / limit.step) * limit.step)  # type: ignore[operator]
        raise SpecError(
            name,
            value,
            Message("not a multiple of {step}", step=limit.step),
            Message("The nearest is {nearest:g}.", nearest=nearest),
        )


def _span(limit: Limit) -> Message:
    least, most = limit.minimum, limit.maximum
    if limit.step > 1:
        template = "{least:.10g} to {most:.10g}, in steps of {step}"
        return Message(template, least=least, most=most, step=limit.step)
    return Message("{least:.10g} to {most:.10g}", least=least, most=most)
