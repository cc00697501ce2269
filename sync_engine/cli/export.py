# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sync_engine export``: a panorama as EXR, HDR, PNG, JPEG, cube faces or an IBL set."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from sync_engine.common.errors import EngineError, OutputError, describe
from sync_engine.interface.limits import LIMITS
from sync_engine.interface.messages import EXIT_STATUS, FailureCode
from sync_engine.interface.wording import Message

FORMATS = {
    "exr": "half-float EXR, DWAA",
    "hdr": "Radiance HDR",
    "png": "sRGB PNG with panorama tags",
    "jpeg": "sRGB JPEG with panorama tags",
    "cube": "six cube faces, a folder of EXR",
    "ibl": "irradiance map and GGX-prefiltered levels, a folder of EXR with ibl.json",
}
"""Formats and what each writes."""
FOLDERS = {"cube", "ibl"}
SUFFIXES = {"exr": (".exr",), "hdr": (".hdr",), "png": (".png",), "jpeg": (".jpg", ".jpeg")}


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    words = "; ".join(f"{name}: {text}" for name, text in FORMATS.items())
    command = commands.add_parser("export", help="write a World for other programs", description=words)
    command.add_argument("picture", type=Path, help="a 360° picture, or a result's folder")
    command.add_argument("--to", choices=tuple(FORMATS), required=True, help="the format")
    command.add_argument("--out", type=Path, required=True, help="the file; of cube and ibl a folder")
    command.add_argument("--exposure", type=float, default=0.0, metavar="EV", help="of png and jpeg")
    command.add_argument("--size", type=int, help="edge of a cube's face in pixels; a quarter of the width")


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    try:
        written = export(options.picture, options.to, options.out, options.exposure, options.size)
        sys.stdout.write(json.dumps({"files": [str(file) for file in written]}, ensure_ascii=False) + "\n")
    except (EngineError, OSError) as error:
        failure = describe(error)
        sys.stderr.write(f"{failure.message} {failure.hint}\n")
        return EXIT_STATUS.get(failure.code, 1)
    return 0


def export(picture: Path, form: str, out: Path, exposure: float = 0.0, size: int | None = None) -> list[Path]:
    """Write a panorama in one of ``FORMATS`` and return the files.

    Raises:
        EngineError: the picture cannot be read or is not 2:1, or an option is out of range.
        OutputError: the destination cannot be written.
    """
    limit = LIMITS["exposure"]
    if not limit.minimum <= exposure <= limit.maximum:
        raise _bad(
            Message("exposure = {exposure}: out of range.", exposure=exposure),
            Message("Use {minimum:g} to {maximum:g}.", minimum=limit.minimum, maximum=limit.maximum),
        )
    if form in SUFFIXES and out.suffix.lower() not in SUFFIXES[form]:
        raise _bad(
            Message("out = {out} has not the suffix of {form}.", out=out, form=form),
            Message("Name a file that ends in {suffixes}.", suffixes=SUFFIXES[form][0]),
        )
    radiance = read_radiance(picture)
    edge = radiance.shape[1] // 4 if size is None else size
    if not 8 <= edge <= 8192:
        raise _bad(Message("size = {edge}: out of range.", edge=edge), "Use 8 to 8192 pixels.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if form in FOLDERS:
            out.mkdir(exist_ok=True)
        return _write(radiance, form, out, exposure, edge)
    except OSError as error:
        raise OutputError(
            Message("out = {out} cannot be written ({reason}).", out=out, reason=error), "Name another place."
        ) from error


def read_radiance(path: Path) -> np.ndarray:
    """Return a panorama as linear light ``(H, 2·H, 3)``; EngineError if it is none."""
    from sync_engine.pictures.panorama import read_panorama
    from sync_engine.radiance.srgb import to_linear
    from sync_engine.runtime.output import IMAGE_NAMES

    picture = read_panorama(path / IMAGE_NAMES["world"] if path.is_dir() else path)
    return picture.pixels if picture.linear else to_linear(np.clip(picture.pixels, 0, 1))


def _write(radiance: np.ndarray, form: str, out: Path, exposure: float, edge: int) -> list[Path]:
    from sync_engine.pictures import export as files

    if form == "exr":
        files.write_exr(out, radiance)
    elif form == "hdr":
        files.write_hdr(out, radiance)
    elif form in ("png", "jpeg"):
        files.write_8bit(out, radiance, exposure)
    elif form == "cube":
        faces = files.cube_faces(radiance, edge)
        for name, face in faces.items():
            files.write_exr(out / f"{name}.exr", face)
        return [out / f"{name}.exr" for name in faces]
    else:
        return _write_ibl(radiance, out)
    return [out]


def _write_ibl(radiance: np.ndarray, out: Path) -> list[Path]:
    import torch

    from sync_engine.pictures import export as files
    from sync_engine.radiance import prefilter
    from sync_engine.runtime.output import write_json

    light = torch.from_numpy(np.ascontiguousarray(radiance.transpose(2, 0, 1)))
    written = [out / "irradiance.exr"]
    files.write_exr(written[0], prefilter.irradiance(light).permute(1, 2, 0).numpy())
    rows = []
    for number, (roughness, level) in enumerate(prefilter.levels(light)):
        file = out / f"radiance-{number}.exr"
        files.write_exr(file, level.permute(1, 2, 0).numpy())
        rows.append({"file": file.name, "roughness": roughness, "width": level.shape[2]})
        written.append(file)
    write_json(out / "ibl.json", {"irradiance": written[0].name, "levels": rows})
    return [*written, out / "ibl.json"]


def _bad(message: str, hint: str) -> EngineError:
    return EngineError(FailureCode.BAD_SPEC, message, hint)
