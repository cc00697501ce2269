# SPDX-License-Identifier: GPL-3.0-or-later
"""``read_picture``: any picture file as pixels of the whole sphere or plate, or words about what is wrong.

One rule for all formats: size and shape are judged by the header before anything is decoded, transparent
pixels are refused (nobody knows what is behind them), a part of a larger picture is put in its place on
black, colours are brought to Rec.709 primaries.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sync_engine.interface.memory import PIXEL_BYTES
from sync_engine.interface.picture_files import EXR_MAGIC, DamagedPicture, check_picture, open_regular
from sync_engine.interface.wording import Message
from sync_engine.pictures import exr, radiance_hdr, raster
from sync_engine.pictures.picture import CheckSize, ReadPicture, UnreadablePicture, ensure_memory

MOST_PIXELS = 16384 * 8192


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Tell what is wrong with a file."""
    try:
        yield
    except DamagedPicture as error:
        raise UnreadablePicture(
            path, Message("cannot be read: it is damaged ({reason})", reason=error), "Save it again."
        ) from error
    except OSError as error:
        raise UnreadablePicture(
            path, Message("cannot be read ({reason})", reason=error), "Name a picture file."
        ) from error


def read_distances(path: Path, check_size: CheckSize = lambda width, height: None) -> np.ndarray | None:
    """Return the distances ``(H, W)`` of a map of depth, float32; None of a picture that is no linear light.

    They are the depth pass of an EXR, or what another linear picture has as red.

    Raises:
        UnreadablePicture: as ``read_picture``.
    """
    with _in_words(path):
        with open_regular(path) as file:
            is_exr = file.read(len(EXR_MAGIC)).startswith(EXR_MAGIC)
        if is_exr:
            check_picture(path)
            distances = exr.read_distances(path, check_size)
            if distances is not None:
                return distances
    read = read_picture(path, check_size)
    return read.pixels[..., 0] if read.linear else None


def read_picture(path: Path, check_size: CheckSize = lambda width, height: None) -> ReadPicture:
    """Read one picture file; the format is told by its content, not by its name.

    Raises:
        UnreadablePicture: there is no such file, it is damaged, too large, transparent, or of a kind that
            is not read.
        OutOfMemory: it would not fit into the free memory; nothing was decoded.
    """

    def check(width: int, height: int) -> None:
        if width * height > MOST_PIXELS:
            raise UnreadablePicture(
                path,
                Message("is {width} × {height} pixels", width=width, height=height),
                "16384 × 8192 is the most.",
            )
        check_size(width, height)
        ensure_memory(path, width * height * PIXEL_BYTES)

    with _in_words(path):
        with open_regular(path) as file:
            start = file.read(11)
        if not start.startswith(EXR_MAGIC):
            if start.startswith((b"#?RADIANCE", b"#?RGBE")):
                return radiance_hdr.read(path, check)
            check_picture(path)
            return raster.read(path, check)
        check_picture(path)
        return exr.read(path, check)
