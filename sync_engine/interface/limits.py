# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fields of a spec may be: the choices by name, and the ranges of the numbers."""

from __future__ import annotations

from .validation import Limit

KINDS = ("world", "plate")
PROJECTIONS = ("auto", "sphere", "equirectangular", "panorama")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
SOLVERS = ("auto", "dpm", "unipc", "euler", "euler-trailing", "euler-ancestral", "ddim", "lcm")


LIMITS: dict[str, Limit] = {
    "width": Limit(64, 16384, 64),
    "height": Limit(64, 4096, 64),
    "steps": Limit(1, 200),
    "guidance": Limit(0.0, 30.0),
    "seed": Limit(0, 2**31 - 1),
    "sync_strength": Limit(0.0, 100.0),
    "sync_steps": Limit(0, 200),
    "sync_decay": Limit(0.0, 1.0),
    "stride": Limit(1, 512),
    "sun_stops": Limit(-10.0, 10.0),
    "exposure": Limit(-20.0, 20.0),
}
WORLD_WIDTH = Limit(256, 8192, 128)
"""A world is twice as wide as high, so that its height is a multiple of 64 pixels too."""
