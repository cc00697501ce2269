# SPDX-License-Identifier: GPL-3.0-or-later
"""How strong the sun is in outdoor panoramas of the training set, by elevation: ``sunlight.STRENGTHS``.

The irradiance that a surface facing the sun gets from what the 8-bit picture clips, over what it gets from
the picture itself. Takes half a minute of one core.

    python -m training.sun_strength
"""

import argparse
import logging
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from sync_engine.radiance.directions import LUMINANCE, irradiance, reduced
from sync_engine.radiance.srgb import to_linear
from training import checkpoints
from training.captions import WEATHERLESS
from training.panoramas import Record, read_index
from training.views import direction

BANDS = (0, 2, 5, 10, 20, 30, 45, 60, 90)
"""Elevations in degrees between which a median is taken."""
STOPS = 20.0
"""White in a gain map."""
WIDTH = 128

log = logging.getLogger(__name__)


def strength(picture: np.ndarray, gain: np.ndarray, toward: np.ndarray) -> float:
    """What is clipped over what is shown, on a surface that faces the unit vector ``toward``.

    Args:
        picture: sRGB ``(H, W, 3)`` in [0, 1].
        gain: ``(H / 2, W / 2)`` in [0, 1], the light that was clipped in shares of ``STOPS``.
    """
    shown = to_linear(picture) @ LUMINANCE
    lit = shown * np.exp2(STOPS * gain.repeat(2, axis=0).repeat(2, axis=1))
    base, all_light = (float(irradiance(reduced(light, WIDTH), toward[None])[0]) for light in (shown, lit))
    return (all_light - base) / base


def strength_of(record: Record) -> float:
    """The same of a panorama on disk that shows its sun."""
    path: Path = record["picture"]
    with Image.open(path) as file:
        picture = np.asarray(file.convert("RGB"), dtype=np.float32) / 255
    with Image.open(path.parent.parent / "gain" / path.name) as file:
        gain = np.asarray(file.convert("L"), dtype=np.float32) / 255
    return strength(picture, gain, direction(record["sun"]["azimuth_deg"], record["sun"]["elevation_deg"]))


def main() -> None:
    """Command line: the median of every band, with the median elevation of its suns."""
    args: argparse.Namespace = checkpoints.base_parser(__doc__.splitlines()[0]).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    records = [
        record
        for record in read_index(*args.data)
        if record["has_sun"] and record["scene"] not in WEATHERLESS
    ]
    elevations = np.array([record["sun"]["elevation_deg"] for record in records])
    strengths = np.array([strength_of(record) for record in records])
    for low, high in pairwise(BANDS):
        inside = (elevations >= low) & (elevations < high)
        if inside.any():
            middle, median = np.median(elevations[inside]), np.median(strengths[inside])
            log.info("%d panoramas at %.1f degrees: %.2f", inside.sum(), middle, median)


if __name__ == "__main__":
    main()
