# SPDX-License-Identifier: GPL-3.0-or-later
"""Where windows and tiles start on an axis of a canvas."""

from __future__ import annotations

import math


def window_starts(length: int, window: int, stride: int, wrap: bool) -> list[int]:
    """Return where windows of ``window`` cells start on an axis of ``length`` cells.

    An open axis ends with a window that touches its end, whatever the stride. A wrapped axis
    is divided evenly, no two neighbours further apart than ``stride``.
    """
    if wrap:
        count = math.ceil(length / stride)
        return [round(i * length / count) for i in range(count)]
    if window >= length:
        return [0]
    starts = list(range(0, length - window, stride))
    return [*starts, length - window]
