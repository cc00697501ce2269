# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a picture that is a panorama: twice as wide as high, with numbers in every pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sync_engine.common.errors import EngineError
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message
from sync_engine.pictures.picture import CheckSize, ReadPicture
from sync_engine.pictures.read import read_picture

SMALLEST, LARGEST = 64, 16384
"""Pixels of width."""
LDR_MOST = 1.1
"""Floats that reach no more hold no light beyond white; lossy compression goes a little over it."""


def read_panorama(path: Path, check: CheckSize = lambda width, height: None) -> ReadPicture:
    """Return an equirectangular picture.

    Args:
        path: the picture.
        check: called with width and height before anything is decoded; may raise for a size not wanted.

    Raises:
        EngineError: it is not 2:1, too small or too large, or has pixels that are no numbers.
        UnreadablePicture: it cannot be read.
    """

    def check_size(width: int, height: int) -> None:
        if width != 2 * height:
            message = Message(
                "{path} is {width} × {height}, not twice as wide as high.",
                path=path,
                width=width,
                height=height,
            )
            raise EngineError(FailureCode.BAD_SPEC, message, "Give a 360° picture.")
        if not SMALLEST <= width <= LARGEST:
            raise EngineError(
                FailureCode.BAD_SPEC,
                Message("{path} is {width} pixels wide.", path=path, width=width),
                Message("Give one of {smallest} to {largest} pixels.", smallest=SMALLEST, largest=LARGEST),
            )
        check(width, height)

    picture = read_picture(path, check_size)
    wrong = int((~np.isfinite(picture.pixels)).any(axis=-1).sum())
    if wrong:
        raise EngineError(
            FailureCode.BAD_SPEC,
            Message("{path} has {wrong} pixels that are no number or infinite.", path=path, wrong=wrong),
            "Repair them first.",
        )
    return picture
