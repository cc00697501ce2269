# SPDX-License-Identifier: GPL-3.0-or-later
"""Results on disk: written into a partial folder, moved into place when whole."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from sync_engine.common.errors import OutputError

IMAGE_NAMES = {"world": "world.exr", "plate": "plate.png"}
PREVIEW_WIDTH = 512


class ResultFolder:
    """The folder of one result while it is being made.

    Use as a context manager: what was written is removed unless ``finish()`` moved it into place.

    Args:
        out: the folder that the finished result will be in.
        needed_bytes: the size of the result, checked against the free space first.
    """

    def __init__(self, out: Path, needed_bytes: int) -> None:
        self.out = out.expanduser().absolute()
        self.partial = self.out.with_name(f".{self.out.name}.partial")
        self._needed = needed_bytes

    def __enter__(self) -> ResultFolder:
        if self.out.exists() and not self.out.is_dir():
            raise OutputError(f"out = {self.out} is a file.", "Name a folder.")
        try:
            self.partial.mkdir(parents=True, exist_ok=True)
            if self.out.is_dir() and not os.access(self.out, os.W_OK):
                raise PermissionError(f"{self.out} is read-only")
            free = shutil.disk_usage(self.partial).free
        except OSError as error:
            raise OutputError(
                f"out = {self.out} cannot be written ({error}).", "Name another folder."
            ) from error
        if free < self._needed:
            self._remove()
            raise OutputError(
                f"out = {self.out}: {free >> 20} MiB are free, the result needs {self._needed >> 20}.",
                "Free some space or name a folder on another disk.",
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self.partial, ignore_errors=True)

    def finish(self) -> None:
        """Move the files into place, all of them or (for a new folder) none."""
        if not self.out.exists():
            os.replace(self.partial, self.out)
            return
        for file in sorted(self.partial.iterdir()):
            os.replace(file, self.out / file.name)


def write_png(path: Path, picture: np.ndarray, texts: dict[str, str] | None = None) -> None:
    """Write sRGB ``(H, W, 3)`` in [0, 1] as an 8-bit PNG with ASCII texts, whole or not at all."""
    pixels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    part = path.with_name(f".{path.name}.part")
    info = PngImagePlugin.PngInfo()
    for name, text in (texts or {}).items():
        info.add_text(name, text)
    Image.fromarray(pixels).save(part, format="PNG", compress_level=4, pnginfo=info)
    os.replace(part, path)


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """Return sRGB ``(H, W, 3)`` reduced to at most 512 pixels of width."""
    height, width = picture.shape[:2]
    if width <= PREVIEW_WIDTH:
        return picture
    size = (PREVIEW_WIDTH, max(1, round(height * PREVIEW_WIDTH / width)))
    image = Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32) / 255


def write_exr(path: Path, radiance: np.ndarray, attributes: dict[str, str]) -> None:
    """Write linear Rec.709 ``(H, W, 3)`` as a 32-bit float EXR (ZIP) with text attributes.

    32-bit because a sun at noon exceeds the largest half float, 65,504.
    """
    import OpenEXR

    header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    # Chromaticities of Rec.709 with D65 white, so that other programs know the colour space.
    header["chromaticities"] = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
    header.update(attributes)
    channels = {"RGB": np.ascontiguousarray(radiance, dtype=np.float32)}
    with OpenEXR.File(header, channels) as file:
        try:
            file.write(str(path))
        except RuntimeError as error:  # what OpenEXR raises when the disk is full
            raise OSError(str(error)) from error


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n", encoding="utf-8")
