# SPDX-License-Identifier: GPL-3.0-or-later
"""The job that makes a picture larger: detail passes from it, with the settings that made it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from .guides import Region, Sun
from .methods import METHODS
from .spec import EnvironmentSpec

WIDTHS = (2048, 4096, 8192)
"""What the panel offers."""
PLAIN_METHOD = "sync"


def enlarging(spec: EnvironmentSpec, picture: Path, width: int) -> EnvironmentSpec:
    """Return the job that enlarges a 360° picture, not yet validated.

    Args:
        spec: what made the picture, or what it shows (``prompt``) and with which model.
        picture: the file, EXR or 8-bit.
        width: pixels.

    What a spec says of pictures and maps is in the picture already and left out. Detail passes are
    painted on the sphere, whatever the first one was.
    """
    return dataclasses.replace(
        spec,
        kind="world",
        width=width,
        height=None,
        projection="sphere",
        method=plain_method(spec.method, "sphere"),
        stride=None,
        guides=tuple(guide for guide in spec.guides if isinstance(guide, (Region, Sun))),
        enlarge=str(picture),
    )


def plain_method(method: str, canvas: str) -> str:
    """Return a method, or the usual one where it cannot paint on a canvas."""
    return method if canvas in METHODS[method].canvases else PLAIN_METHOD
