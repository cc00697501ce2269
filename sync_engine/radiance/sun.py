# SPDX-License-Identifier: GPL-3.0-or-later
"""The sun that a prompt asked for: its place where the picture does not show it white, and its colour."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from sync_engine.radiance.directions import LUMINANCE, pixel_directions

GLOW, REACH = np.radians(3.0), np.radians(20.0)
"""The radius of the place that stands for it, and how far from where it was asked for that is looked for."""
DARKEST = 0.02
"""A place whose luminance is below this is too dark for a sun."""
LOWEST = 2.0
"""Sunlight of a sun below this elevation in degrees has that one's colour: further down it is deep red."""
WAVELENGTHS = np.array([0.610, 0.550, 0.465])
"""Of red, green and blue in micrometres."""
AEROSOL, ANGSTROM = 0.05, 1.3
"""Optical depth of a clear day's aerosol at one micrometre, and its exponent."""


def hidden_sun(
    light: np.ndarray, place: np.ndarray, reach: float | None = None
) -> tuple[np.ndarray, float] | None:
    """Return where a sun stands that is painted no brighter than its sky, and how bright it is there.

    It is the brightest place above the horizon near ``place``, the nearer the likelier.

    Args:
        light: ``(H, W, 3)`` linear radiance.
        place: unit vector ``(3,)`` to where it was asked for.
        reach: in radians: nothing further from there is looked at; None: as likely as it is near.

    Returns:
        Its mask ``(H, W)`` and the greatest luminance in it; None where it is too dark.
    """
    height, width = light.shape[:2]
    directions, luminance = pixel_directions(height, width), light @ LUMINANCE
    sky = np.arange(height)[:, None] < height // 2
    blurred = gaussian_filter(luminance, GLOW / np.pi * height / 2, mode=["nearest", "wrap"])  # pyright: ignore[reportArgumentType]
    angle = np.arccos(np.clip(directions @ place, -1, 1))
    likely = np.where(sky, blurred * np.exp(-((angle / REACH) ** 2)), 0)
    if reach is not None:
        likely[angle > max(reach - GLOW, np.pi / height)] = 0
    centre = directions[np.unravel_index(int(np.argmax(likely)), likely.shape)]
    mask = (directions @ centre >= np.cos(GLOW)) & sky
    brightest = float(luminance[mask].max())
    return (mask, brightest) if brightest >= DARKEST else None


def sun_colour(elevation: float) -> np.ndarray:
    """Return the linear RGB ``(3,)`` of direct sunlight at an elevation in radians, of luminance 1.

    What a clear atmosphere leaves of white: Rayleigh scattering by 0.008569 λ⁻⁴ (Hansen and Travis 1974,
    section 2.1) and aerosol by Ångström's law, over the air mass of Kasten and Young (1989).
    """
    degrees = max(float(np.degrees(elevation)), LOWEST)
    air_mass = 1 / (np.sin(np.radians(degrees)) + 0.50572 * (degrees + 6.07995) ** -1.6364)
    depth = 0.008569 * WAVELENGTHS**-4 + AEROSOL * WAVELENGTHS**-ANGSTROM
    colour = np.exp(-air_mass * depth)
    return colour / float(colour @ LUMINANCE)
