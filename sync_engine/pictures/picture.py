# SPDX-License-Identifier: GPL-3.0-or-later
"""What all readers of pictures share: what a picture is once it is read, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sync_engine.common.errors import EngineError, OutOfMemory
from sync_engine.interface.memory import lacking
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message, as_message

OPAQUE = 254.5 / 255
"""Alpha above this is opaque in eight bits."""
BLACK_AROUND = "It is a part of a larger picture; what it does not show is black."


class UnreadablePicture(EngineError):
    """A file cannot be used as a picture."""

    def __init__(self, path: Path, problem: str, hint: str) -> None:
        super().__init__(
            FailureCode.BAD_SPEC, Message("{path} {problem}.", path=path, problem=as_message(problem)), hint
        )


@dataclass(eq=False)
class ReadPicture:
    """What a file shows.

    Attributes:
        pixels: ``(H, W, 3)`` float32, Rec.709 primaries; NaN and infinity as the file has them.
        linear: whether the pixels are linear light; otherwise sRGB in [0, 1].
        notes: sentences on what was done to them.
    """

    pixels: np.ndarray
    linear: bool
    notes: list[str] = field(default_factory=list)


CheckSize = Callable[[int, int], None]
"""Called with width and height before anything is decoded; raises for a shape that is not wanted."""


def ensure_memory(path: Path, needed: int) -> None:
    """Raise OutOfMemory where work on a picture needs more bytes than are free."""
    short = lacking(needed)
    if short is not None:
        raise OutOfMemory(
            Message(
                "{path} needs about {needed:.1f} GiB of memory, {free:.1f} are free.",
                path=path,
                needed=short[0],
                free=short[1],
            ),
            "Choose a smaller size, or close other programs.",
        )


def refuse_transparent(path: Path, lowest_alpha: float) -> None:
    """Raise UnreadablePicture if the lowest alpha in [0, 1] is not opaque."""
    if lowest_alpha < OPAQUE:
        raise UnreadablePicture(path, "has transparent pixels", "Flatten the picture first.")


def placed(pixels: np.ndarray, left: int, top: int, width: int, height: int) -> np.ndarray:
    """Return ``(height, width, C)`` with the pixels at their place, black elsewhere."""
    if (left, top) == (0, 0) and pixels.shape[:2] == (height, width):
        return pixels
    whole = np.zeros((height, width, *pixels.shape[2:]), dtype=pixels.dtype)
    x, y = max(0, left), max(0, top)
    right, bottom = min(width, left + pixels.shape[1]), min(height, top + pixels.shape[0])
    if right > x and bottom > y:
        whole[y:bottom, x:right] = pixels[y - top : bottom - top, x - left : right - left]
    return whole
