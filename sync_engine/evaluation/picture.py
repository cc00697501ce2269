# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished picture on disk: read, told apart as world or plate, cut into square crops.

Crops are what a person sees and what the model painted: of a plate the non-overlapping squares of its
full height, from left to right; of a world four perspective views of 90° around the horizon, because
squares of the equirectangular picture are stretched. Those squares (a quarter of the width, 45° up to
45° down) are there too, for comparison with papers that use them. A picture less than twice as wide as
high is one crop, its central square. Larger crops than 512 pixels are reduced to 512.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from sync_engine.canvas.views import View, cut_view
from sync_engine.interface.bounded_json import read_json
from sync_engine.interface.embedded import read_record
from sync_engine.interface.limits import KINDS
from sync_engine.interface.spec import SpecError
from sync_engine.interface.wording import Message
from sync_engine.pictures.picture import UnreadablePicture
from sync_engine.pictures.read import read_picture
from sync_engine.radiance.srgb import from_linear
from sync_engine.runtime.output import IMAGE_NAMES

LARGEST_CROP = 512
SUFFIXES = (".exr", ".hdr", ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


BadPicture = UnreadablePicture
"""A file is no picture that can be measured."""


@dataclass(eq=False)
class Picture:
    """A picture to measure.

    Attributes:
        name: how it is called in tables.
        pixels: ``(3, H, W)`` sRGB in [0, 1], float32.
        kind: ``world`` (equirectangular, 2:1) or ``plate``.
        prompt: what it was asked to show; None where nobody knows.
    """

    name: str
    pixels: torch.Tensor
    kind: str
    prompt: str | None = None

    @cached_property
    def crops(self) -> list[torch.Tensor]:
        """Square crops ``(3, s, s)``: views of a world, squares of a plate; at least one."""
        height, width = self.pixels.shape[1:]
        if self.kind == "world":
            views = (View(azimuth, 0.0, 90.0) for azimuth in (0.0, 90.0, 180.0, -90.0))
            return [
                cut_view(self.pixels, view, min(width // 4, LARGEST_CROP))[0].clamp(0, 1) for view in views
            ]
        side, count = min(height, width), max(1, width // height)
        left, top = (width - side * count) // 2, (height - side) // 2
        return [
            _reduced(self.pixels[:, top : top + side, x : x + side])
            for x in range(left, left + count * side, side)
        ]

    @cached_property
    def squares(self) -> list[torch.Tensor]:
        """Non-overlapping squares of the picture itself; of a world those around its horizon."""
        if self.kind == "plate":
            return self.crops
        side = self.pixels.shape[2] // 4
        top = (self.pixels.shape[1] - side) // 2
        return [_reduced(self.pixels[:, top : top + side, i * side : (i + 1) * side]) for i in range(4)]


def _reduced(crop: torch.Tensor) -> torch.Tensor:
    if crop.shape[1] <= LARGEST_CROP:
        return crop
    size = (LARGEST_CROP, LARGEST_CROP)
    return interpolate(crop[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)


def find(paths: list[Path]) -> list[Path]:
    """Return the picture files that are meant: files, results' folders, or folders of either."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise BadPicture(path, "is not there", "Check the name.")
        if not path.is_dir():
            found.append(path)
            continue
        inside = _of_result(path) or sorted(
            file for child in path.iterdir() for file in (_of_result(child) if child.is_dir() else [child])
        )
        pictures = [file for file in inside if file.suffix.lower() in SUFFIXES]
        if not pictures:
            raise BadPicture(path, "is a folder without pictures", "Name files or folders of results.")
        found += pictures
    return found


def _of_result(folder: Path) -> list[Path]:
    return [folder / name for name in IMAGE_NAMES.values() if (folder / name).is_file()]


def read(path: Path, kind: str | None = None, prompt: str | None = None) -> Picture:
    """Read one file; raise BadPicture. What is not given is read from the ``spec.json`` beside it.

    Without one, an EXR or a picture of exactly 2:1 counts as a world.
    """
    pixels = torch.from_numpy(_pixels(path)).permute(2, 0, 1).contiguous()
    height, width = pixels.shape[1:]
    if min(height, width) < 64:
        raise BadPicture(
            path,
            Message("is only {width} × {height} pixels", width=width, height=height),
            "64 × 64 is the least.",
        )
    spec = _spec_beside(path)
    if kind is None:
        guess = "world" if path.suffix.lower() == ".exr" or width == 2 * height else "plate"
        kind = spec.get("kind") if spec.get("kind") in KINDS else guess
    if kind == "world" and width != 2 * height:
        raise BadPicture(
            path,
            Message("is {width} × {height}, not twice as wide as high", width=width, height=height),
            "Use --kind plate.",
        )
    said = prompt if prompt is not None else spec.get("prompt")
    name = path.parent.name if path.name in IMAGE_NAMES.values() else path.name
    return Picture(name, pixels, str(kind), said if isinstance(said, str) else None)


def _spec_beside(path: Path) -> dict:
    file = path.with_name("spec.json")
    if path.name not in IMAGE_NAMES.values() or not file.is_file():
        return {}
    try:
        spec = read_json(file).get("spec")
    except (OSError, ValueError, AttributeError) as error:
        raise BadPicture(
            file, Message("cannot be read ({reason})", reason=error), "Delete it and give --kind."
        ) from error
    return spec if isinstance(spec, dict) else {}


def _pixels(path: Path) -> np.ndarray:
    """Return sRGB ``(H, W, 3)`` in [0, 1]; of an EXR what is brighter than white is white.

    A world of ours is brought back to the exposure it was painted at: lit by a sun, it was darkened.
    """
    picture = read_picture(path)
    if not picture.linear:
        return picture.pixels
    if not np.isfinite(picture.pixels).all():
        raise BadPicture(path, "has pixels that are no number or infinite", "Repair them first.")
    return from_linear(np.clip(picture.pixels * np.float32(2.0 ** -_exposure(path)), 0, 1))


def _exposure(path: Path) -> float:
    """Return the exposure (EV) that a world of ours was given, 0 of any other picture."""
    try:
        light = read_record(path).get("light")
    except SpecError:  # not one of ours
        return 0.0
    return float(light.get("exposure", 0.0)) if isinstance(light, dict) else 0.0
