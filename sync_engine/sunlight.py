"""Where the sun or the moon of a world stands, by the words of its prompt, and which views show it.

A view with the sun in it looks unlike its neighbours, and a world has one place for it. Models that were
trained to be told of it (``sun`` and ``moon`` in ``view_phrases.json``) are asked for it in the views around.
"""

from __future__ import annotations

import random
import re
from itertools import pairwise
from typing import NamedTuple

from sync_engine.canvas.views import View
from sync_engine.directions import is_outdoors


def _list(text: str) -> frozenset[str]:
    return frozenset(text.split(", "))


HIDDEN = _list(
    "blizzard, blue hour, drizzle, dusk, fog, foggy, gloomy, lightning, mist, misty, nightfall, overcast, "
    "rain, rainy, snowfall, storm, storms, stormy, thunder, thunderstorm, twilight"
)
"""Times and weathers in which neither sun nor moon is seen."""

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

HIGH = 45.0
MARGIN = 0.95
"""A view shows a light that stands within this share of its half width, as in training."""


class Luminary(NamedTuple):
    """The sun or the moon in the sky of a world; angles in degrees, as a view's."""

    body: str
    azimuth: float
    elevation: float


def sky_of(prompt: str, seed: int, views: list[View]) -> Luminary | None:
    """Return the sun or the moon that the words of a prompt put into the sky, None without one.

    It stands over the middle of one of the views whose elevation is nearest, drawn by the seed: between two
    views, neither would show it whole.
    """
    words = re.findall(r"[a-z]+", prompt.lower())
    said = {*words, *map(" ".join, pairwise(words))}
    if not is_outdoors(prompt) or said & HIDDEN:
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


def lit_prompts(
    prompts: list[str], views: list[View], sky: Luminary | None, phrases: dict[str, str]
) -> list[str]:
    """Return the views' prompts with a model's phrase for the sun or moon where it stands in the frame."""
    if sky is None or sky.body not in phrases:
        return prompts
    return [
        f"{prompt}, {phrases[sky.body]}" if shows(view, sky) else prompt
        for prompt, view in zip(prompts, views, strict=True)
    ]


def shows(view: View, sky: Luminary) -> bool:
    """Return whether the sun or moon stands in a view's frame."""
    place, inside = view.project(View(sky.azimuth, sky.elevation, view.fov).axes()[:1])
    return bool(inside[0]) and float(place.abs().max()) < MARGIN
