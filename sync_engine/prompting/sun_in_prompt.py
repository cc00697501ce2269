# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the sun or the moon of a world stands, by the words of its prompt, and which views show it.

A view with the sun in it looks unlike its neighbours, and a world has one place for it. Models that were
trained to be told of it (``sun`` and ``moon`` in ``view_phrases.json``) are asked for it in the views around,
and what else they paint white is no light.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from sync_engine.canvas.sphere import OVERLAP, POLE_ELEVATION, yaw_of_seed
from sync_engine.canvas.views import View, layout
from sync_engine.interface.guides import Sun
from sync_engine.prompting.view_prompts import is_outdoors
from sync_engine.radiance.lights import SkyLight


def _list(text: str) -> frozenset[str]:
    return frozenset(text.split(", "))


COVERED = _list(
    "blizzard, drizzle, fog, foggy, gloomy, lightning, mist, misty, overcast, rain, rainy, snowfall, storm, "
    "storms, stormy, thunder, thunderstorm"
)
"""Weathers in which neither sun nor moon is seen."""

DARK = _list("blue hour, dusk, nightfall, twilight")
"""Times in which the sun is down."""

MOON = _list("moon, moonlight, moonlit")
NIGHT = _list("aurora, midnight, night, nighttime, starlit, starry, stars")
ELEVATIONS = (
    (_list("dawn, daybreak, sundown, sunrise, sunset"), 3.0),
    (_list("evening, golden hour, low sun"), 8.0),
    (_list("early morning, late afternoon"), 20.0),
    (_list("afternoon, morning"), 30.0),
    (_list("noon"), 60.0),
    (
        _list("blue sky, clear sky, cloudless, day, daylight, daytime, midday, sun, sunlight, sunlit, sunny"),
        45.0,
    ),
)
"""Words and the elevation of the sun in degrees; the first row that has words of the prompt counts."""

STRENGTHS = {1.1: 0.58, 3.2: 1.0, 8.5: 2.31, 11.7: 3.12, 25.0: 3.28, 35.6: 3.31, 53.1: 3.8, 68.1: 4.31}
"""Elevations of the sun in degrees, and how strong it is beside all other light on a surface that faces it:
medians of the 275 outdoor panoramas of the training set that show one (``training/sun_strength.py``)."""

GUIDED_REACH = float(np.radians(4.5))
"""A sun that a guide places is found within this of its place, or stands there; one that a prompt puts into
the sky is looked for further around."""

HIGH = 45.0
MARGIN = 0.95
"""A view shows a light that stands within this share of its half width, as in training."""


class Luminary(NamedTuple):
    """The sun or the moon in the sky of a world; angles in degrees, as a view's."""

    body: str
    azimuth: float
    elevation: float


def yaw_towards(sun: Sun, seed: int) -> float:
    """Return a turn of a job's views with which one of the row nearest to a sun looks straight to it."""
    if sun.azimuth is None or sun.elevation is None:
        return yaw_of_seed(seed)
    elevation = sun.elevation
    rows = [row for row in layout(90.0, OVERLAP) if abs(row[0].elevation) < POLE_ELEVATION]
    row = min(rows, key=lambda row: abs(row[0].elevation - elevation))
    return (sun.azimuth - random.Random(seed).choice(row).azimuth) % 360


def sky_of(prompt: str, seed: int, views: Sequence[View], sun: Sun | None = None) -> Luminary | None:
    """Return the sun or the moon that the words of a prompt put into the sky, None without one.

    A ``sun`` that was asked for stands where it was asked for, or nowhere.

    It stands over the middle of one of the views whose elevation is nearest, drawn by the seed: between two
    views, neither would show it whole.
    """
    if not views:
        return None
    if sun is not None:
        if sun.azimuth is None or sun.elevation is None:
            return None
        return Luminary("sun", sun.azimuth, sun.elevation)
    said = _said(prompt)
    if not is_outdoors(prompt) or said & (COVERED | DARK):
        return None
    elevations = [elevation for row, elevation in ELEVATIONS if said & row]
    if said & MOON:
        body, elevation = "moon", HIGH
    elif elevations and not said & NIGHT:
        body, elevation = "sun", elevations[0]
    else:
        return None
    nearest = min(abs(view.elevation - elevation) for view in views)
    row = [view for view in views if abs(view.elevation - elevation) == nearest]
    return Luminary(body, random.Random(seed).choice(row).azimuth, elevation)


def known_light(
    prompt: str, sky: Luminary | None, phrases: dict[str, str], sun: Sun | None = None
) -> SkyLight | None:
    """Return where the light of a world's sky is, and of a sun how strong it is, if that is known.

    A model that has ``phrases`` was told where; under clouds by day its sky has no light. Else None.
    A ``sun`` that was asked for is known whatever the model was told.
    """
    if sun is not None:
        if sky is None:
            return SkyLight(None)
        return SkyLight(_place(sky), strength_at(sky.elevation) * sun.strength, GUIDED_REACH)
    if not phrases:
        return None
    if sky is not None and sky.body in phrases:
        return SkyLight(_place(sky), strength_at(sky.elevation) if sky.body == "sun" else 0.0)
    said = _said(prompt)
    covered = is_outdoors(prompt) and said & COVERED and not said & (DARK | NIGHT)
    return SkyLight(None) if covered else None


def _place(sky: Luminary) -> np.ndarray:
    return View(sky.azimuth, sky.elevation, 90.0).axes()[0].numpy()


def strength_at(elevation: float) -> float:
    """Return how strong a sun is at an elevation in degrees, see ``STRENGTHS``."""
    return float(np.interp(elevation, list(STRENGTHS), list(STRENGTHS.values())))


def _said(prompt: str) -> set[str]:
    """Return the words of a prompt and its pairs of words."""
    words = re.findall(r"[a-z]+", prompt.lower())
    return {*words, *map(" ".join, pairwise(words))}


def lit_prompts(
    prompts: list[str],
    views: Sequence[View],
    sky: Luminary | None,
    phrases: dict[str, str],
    own: Collection[str] = (),
) -> list[str]:
    """Return the views' prompts with a model's phrase for the sun or moon where that shows.

    Prompts of the user's ``own`` for a view stay as they are.
    """
    if sky is None or sky.body not in phrases:
        return prompts
    return [
        f"{prompt}, {phrases[sky.body]}" if shows(view, sky) and prompt not in own else prompt
        for prompt, view in zip(prompts, views, strict=True)
    ]


def shows(view: View, sky: Luminary) -> bool:
    """Return whether the sun or moon stands in a view's frame."""
    place, inside = view.project(View(sky.azimuth, sky.elevation, view.fov).axes()[:1])
    return bool(inside[0]) and float(place.abs().max()) < MARGIN
