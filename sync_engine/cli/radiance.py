# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sync_engine expand`` and ``inspect``: a picture's light, and what made a picture."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from sync_engine.cli.streams import say
from sync_engine.common.errors import EngineError, OutputError, describe
from sync_engine.interface.embedded import read_record
from sync_engine.interface.limits import LIMITS
from sync_engine.interface.messages import EXIT_STATUS, FailureCode
from sync_engine.interface.spec import SpecError
from sync_engine.interface.wording import Message


def add_parsers(commands: Any) -> None:
    """Add both commands to the command line."""
    expand = commands.add_parser("expand", help="give a 360° picture its light: 8-bit in, EXR out")
    expand.add_argument("picture", type=Path)
    expand.add_argument("--out", type=Path, required=True, help="the EXR")
    expand.add_argument("--sun-stops", type=float, help="the lights' strength in stops over everything else")
    expand.add_argument("--ldr", action="store_true", help="add no light")
    expand.add_argument("--exposure", type=float, metavar="EV")
    inspect = commands.add_parser("inspect", help="print the spec and the light that a result keeps")
    inspect.add_argument("file", type=Path, help="an EXR or PNG, a result's folder or its spec.json")


def run(options: argparse.Namespace) -> int:
    """Run one of the two; return the exit status."""
    try:
        if options.command == "expand":
            text = json.dumps(_expand(options))
        else:
            text = json.dumps(_inspect(options.file), indent=2, ensure_ascii=False)
    except (EngineError, OSError) as error:
        failure = describe(error)
        sys.stderr.write(f"{failure.message} {failure.hint}\n")
        return EXIT_STATUS.get(failure.code, 1)
    say(text + "\n")
    return 0


def _inspect(path: Path) -> dict[str, Any]:
    try:
        return read_record(path)
    except SpecError as error:
        raise _bad(Message("{path} {problem}.", path=path, problem=error.problem), error.remedy) from error


def _expand(options: argparse.Namespace) -> dict[str, Any]:
    from sync_engine.radiance.expand import expand
    from sync_engine.runtime.output import write_exr

    for name in ("sun_stops", "exposure"):
        value, limit = getattr(options, name), LIMITS[name]
        if value is not None and not limit.minimum <= value <= limit.maximum:
            raise _bad(
                Message("{name} = {value}: out of range.", name=name, value=value),
                Message("Use {minimum:g} to {maximum:g}.", minimum=limit.minimum, maximum=limit.maximum),
            )
    if options.out.suffix.lower() != ".exr":
        raise _bad(Message("out = {out} is no EXR.", out=options.out), "Name a file that ends in .exr.")
    picture, notes = read_shown(options.picture)
    for note in notes:
        sys.stderr.write(f"{note}\n")
    made = expand(picture, options.sun_stops, options.ldr, options.exposure)
    try:
        write_exr(options.out, made.radiance, {"syncscape_light": json.dumps(made.report)})
    except OSError as error:
        raise OutputError(
            Message("out = {out} cannot be written ({reason}).", out=options.out, reason=error),
            "Name another file.",
        ) from error
    return made.report


def read_shown(path: Path) -> tuple[np.ndarray, list[str]]:
    """Return a panorama as sRGB ``(H, W, 3)`` in [0, 1], and notes on what was done to it.

    EngineError if it is none, or brighter than white (HDR already).
    """
    from sync_engine.pictures.panorama import LDR_MOST, read_panorama
    from sync_engine.radiance.srgb import from_linear

    picture = read_panorama(path)
    brightest = float(picture.pixels.max())
    if picture.linear and brightest > LDR_MOST:
        raise _bad(
            Message("{path} reaches {brightest:.4g}: it is HDR already.", path=path, brightest=brightest),
            "Use it as it is.",
        )
    shown = np.clip(picture.pixels, 0, 1)
    return (from_linear(shown) if picture.linear else shown), picture.notes


def _bad(message: str, hint: str) -> EngineError:
    return EngineError(FailureCode.BAD_SPEC, message, hint)
