# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sync_engine expand`` and ``inspect``: a picture's light, and what made a picture."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sync_engine.common.errors import EngineError, OutputError, describe
from sync_engine.interface.embedded import read_record
from sync_engine.interface.messages import EXIT_STATUS, FailureCode
from sync_engine.interface.spec import LIMITS, SpecError

SMALLEST, LARGEST = 64, 16384


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
            sys.stdout.write(json.dumps(_expand(options)) + "\n")
        else:
            sys.stdout.write(json.dumps(_inspect(options.file), indent=2, ensure_ascii=False) + "\n")
    except (EngineError, OSError) as error:
        failure = describe(error)
        sys.stderr.write(f"{failure.message} {failure.hint}\n")
        return EXIT_STATUS.get(failure.code, 1)
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
    made = expand(read_picture(options.picture), options.sun_stops, options.ldr, options.exposure)
    try:
        write_exr(options.out, made.radiance, {"syncscape_light": json.dumps(made.report)})
    except OSError as error:
        raise OutputError(
            f"out = {options.out} cannot be written ({error}).", "Name another file."
        ) from error
    return made.report


def read_picture(path: Path) -> np.ndarray:
    """Return an equirectangular picture as sRGB ``(H, W, 3)`` in [0, 1]; EngineError if it is none.

    Greyscale becomes three equal channels, 16 bits keep what the reader gives, opaque alpha is dropped.
    """
    if path.suffix.lower() == ".exr":
        picture = _from_exr(path)
    else:
        try:
            with Image.open(path) as file:
                if "A" in file.getbands() or "transparency" in file.info:
                    lowest, _ = file.convert("RGBA").getchannel("A").getextrema()
                    if lowest < 255:  # type: ignore[operator]
                        raise _bad(f"{path} has transparent pixels.", "Flatten the picture first.")
                if file.mode.startswith("I"):
                    picture = np.repeat(np.asarray(file, dtype=np.float32)[..., None] / 65535, 3, axis=-1)
                else:
                    picture = np.asarray(file.convert("RGB"), dtype=np.float32) / 255
        except (OSError, Image.DecompressionBombError) as error:
            raise _bad(
                f"{path} cannot be read as a picture ({error}).", "Name a PNG, JPEG or WebP."
            ) from error
    height, width = picture.shape[:2]
    if width != 2 * height:
        raise _bad(f"{path} is {width} × {height}, not twice as wide as high.", "Give a 360° picture.")
    if not SMALLEST <= width <= LARGEST:
        raise _bad(f"{path} is {width} pixels wide.", f"Give one of {SMALLEST} to {LARGEST} pixels.")
    return np.clip(picture, 0, 1)


def _from_exr(path: Path) -> np.ndarray:
    import OpenEXR

    from sync_engine.radiance.srgb import from_linear

    try:
        with OpenEXR.File(str(path)) as file:
            channels = file.channels()
            found = channels.get("RGB") or channels.get("RGBA")
            if found is None:
                raise _bad(f"{path} has no colours R, G and B.", "Give a colour picture.")
            light = np.array(found.pixels, dtype=np.float32)[..., :3]
    except RuntimeError as error:  # what OpenEXR raises
        raise _bad(f"{path} cannot be read ({error}).", "Check the file.") from error
    wrong = int((~np.isfinite(light)).any(axis=-1).sum())
    if wrong:
        raise _bad(f"{path} has {wrong} pixels that are no number or infinite.", "Repair them first.")
    if light.max() > 1:
        raise _bad(f"{path} reaches {light.max():.4g}: it is HDR already.", "Use it as it is.")
    return from_linear(np.maximum(light, 0))


def _bad(message: str, hint: str) -> EngineError:
    return EngineError(FailureCode.BAD_SPEC, message, hint)
