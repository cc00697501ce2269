# SPDX-License-Identifier: GPL-3.0-or-later
"""In how many passes a world is painted that is larger than the model's own pixels per degree."""

from __future__ import annotations

import math

TOLERANCE = 1.25
"""A picture this much larger than the model's own is only enlarged."""


def native_height(window: int, scale: int) -> int:
    """Return the height of a world whose middle has about the pixels per degree of views of 90°."""
    return 2 * window * scale


def heights(native: int, wanted: int) -> list[int]:
    """Return the picture's height after each pass, the first pass included; the last is ``wanted``."""
    if wanted <= native * TOLERANCE:
        return [wanted]
    passes = [native]
    while passes[-1] < wanted:
        passes.append(min(2 * passes[-1], wanted))
    return passes


def field_of_view(window: int, scale: int, height: int) -> float:
    """Return the field of view in degrees that suits a picture of this height; 90 at the native one."""
    return math.degrees(2 * math.atan(native_height(window, scale) / height))
