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

SMALLEST, LARGEST = 64, 16384
LDR_MOST = 1.1
"""An EXR that reaches no more holds no light beyond white; lossy compression goes a little over it."""


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
        raise _bad(f"{path} {error.problem}.", error.remedy) from error


def _expand(options: argparse.Namespace) -> dict[str, Any]:
    from sync_engine.radiance.expand import expand
    from sync_engine.runtime.output import write_exr

    for name in ("sun_stops", "exposure"):
        value, limit = getattr(options, name), LIMITS[name]
        if value is not None and not limit.minimum <= value <= limit.maximum:
            raise _bad(f"{name} = {value}: out of range.", f"Use {limit.minimum:g} to {limit.maximum:g}.")
    if options.out.suffix.lower() != ".exr":
        raise _bad(f"out = {options.out} is no EXR.", "Name a file that ends in .exr.")
    picture, notes = read_panorama(options.picture)
    for note in notes:
        sys.stderr.write(f"{note}\n")
    made = expand(picture, options.sun_stops, options.ldr, options.exposure)
    try:
        write_exr(options.out, made.radiance, {"syncscape_light": json.dumps(made.report)})
    except OSError as error:
        raise OutputError(
            f"out = {options.out} cannot be written ({error}).", "Name another file."
        ) from error
    return made.report


def read_panorama(path: Path) -> tuple[np.ndarray, list[str]]:
    """Return an equirectangular picture as sRGB ``(H, W, 3)`` in [0, 1], and notes on what was done to it.

    EngineError if it is none: not 2:1, transparent, damaged, or brighter than white (HDR already).
    """
    from sync_engine.pictures.read import read_picture
    from sync_engine.radiance.srgb import from_linear

    def check_size(width: int, height: int) -> None:
        if width != 2 * height:
            raise _bad(f"{path} is {width} × {height}, not twice as wide as high.", "Give a 360° picture.")
        if not SMALLEST <= width <= LARGEST:
            raise _bad(f"{path} is {width} pixels wide.", f"Give one of {SMALLEST} to {LARGEST} pixels.")

    picture = read_picture(path, check_size)
    pixels = picture.pixels
    wrong = int((~np.isfinite(pixels)).any(axis=-1).sum())
    if wrong:
        raise _bad(f"{path} has {wrong} pixels that are no number or infinite.", "Repair them first.")
    if picture.linear and pixels.max() > LDR_MOST:
        raise _bad(f"{path} reaches {pixels.max():.4g}: it is HDR already.", "Use it as it is.")
    shown = np.clip(pixels, 0, 1)
    return (from_linear(shown) if picture.linear else shown), picture.notes


def _bad(message: str, hint: str) -> EngineError:
    return EngineError(FailureCode.BAD_SPEC, message, hint)
