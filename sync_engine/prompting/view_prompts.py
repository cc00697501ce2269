# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts by elevation: a view of the sky must not be asked for mountains, nor the ground for a horizon."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.wording import Message

POLE_ELEVATION = 67.5
"""Views that look further up or down than this have the zenith or nadir prompt."""

PHRASES = ((-POLE_ELEVATION, -35.0, "looking down at the ground"), (35.0, POLE_ELEVATION, "looking up"))
"""(lowest, highest elevation, phrase) for models that bring no ``view_phrases.json``."""

INDOORS = (
    "attic basement bathroom bedroom cafe cathedral cave cavern cellar chapel church classroom corridor "
    "factory gallery garage hall hallway hangar indoor indoors inside interior kitchen library loft mine "
    "museum office restaurant room showroom studio subway temple theatre theater tunnel warehouse workshop"
)
UNDER_WATER = "coral reef seabed submarine undersea underwater"
SPACE = "asteroid asteroids cosmic cosmos galaxies galaxy interstellar nebula nebulae spaceship"
SKY = (
    "afternoon aurora blizzard cloud cloudless clouds cloudscape cloudy dawn day daybreak daylight "
    "drizzle dusk evening fog foggy haze hazy lightning mist misty moon moonless moonlight moonlit "
    "morning night nighttime noon overcast rain rainbow rainy skies sky snowfall starlit starry stars "
    "storm storms stormy sun sundown sunlight sunlit sunny sunrise sunset thunder thunderstorm twilight"
)
OF_THE_SKY = (
    "blue bright broken clear dark deep dramatic early full golden gloomy grey gray heavy high late milky "
    "orange pale pink purple red scattered soft thin warm white wispy"
)
"""Words that belong to the sky where a word of the sky follows."""


def _words(*lists: str) -> str:
    return "|".join(word for words in lists for word in words.split())


_INDOORS, _UNDER_WATER, _SPACE = (
    re.compile(rf"\b(?:{_words(words)})\b", re.IGNORECASE) for words in (INDOORS, UNDER_WATER, SPACE)
)
_SKY = re.compile(
    rf"\b(?:(?:{_words(OF_THE_SKY)})\s+)*"
    rf"(?:{_words(SKY)}|golden hour|blue hour|milky way|(?:soft|warm) light)\b",
    re.IGNORECASE,
)
_BESIDE_THE_SKY = {"a", "an", "and", "at", "by", "during", "in", "of", "on", "the", "under", "with"}


def is_outdoors(prompt: str) -> bool:
    """Return whether a prompt describes a place under the sky, as far as its words tell."""
    return not any(place.search(prompt) for place in (_INDOORS, _UNDER_WATER, _SPACE))


def phrases_of(folder: Path) -> tuple[tuple[float, float, str], ...]:
    """Return the phrases that a model was trained with (``view_phrases.json``), else the general ones."""
    texts = _read(folder, lambda found: [(*_range(row), str(row["phrase"])) for row in found["phrases"]])
    return PHRASES if texts is None else tuple(texts)


def light_phrases(folder: Path) -> dict[str, str]:
    """Return what a model calls a view with the "sun" or the "moon" in it; empty where it has no words."""
    bodies = ("sun", "moon")
    return _read(folder, lambda found: {body: str(found[body]) for body in bodies if body in found}) or {}


def _read(folder: Path, take: Callable[[Any], Any]) -> Any:
    file = folder / "view_phrases.json"
    if not file.is_file():
        return None
    try:
        return take(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotAvailable(
            Message("{file} cannot be read ({reason}).", file=file, reason=repr(error)),
            "Fetch the model again.",
        ) from error


def _range(row: dict[str, Any]) -> tuple[float, float]:
    return float(row["pitch_min"]), float(row["pitch_max"])


def window_prompts(
    spec: EnvironmentSpec, elevations: list[float], phrases: tuple[tuple[float, float, str], ...]
) -> list[str]:
    """Return the prompt of each window by the elevation that it looks at, in degrees."""
    return [_prompt(spec, elevation, phrases) for elevation in elevations]


def zenith_prompt(prompt: str) -> str:
    """Return what the view straight up shows in a place that a prompt describes.

    Outdoors only the words of time, weather and light are kept; rooms get a ceiling, the sea its
    surface, and space looks the same everywhere.
    """
    if _SPACE.search(prompt):
        return prompt
    if _INDOORS.search(prompt):
        return f"the ceiling seen from directly below, {prompt}"
    if _UNDER_WATER.search(prompt):
        return f"the water surface seen from below, {prompt}"
    kept = (" ".join(_SKY.findall(clause)) for clause in re.split(r"[,;.]", prompt))
    return ", ".join(["only the sky straight overhead", *dict.fromkeys(words for words in kept if words)])


def nadir_prompt(prompt: str) -> str:
    """Return what the view straight down shows: the ground without what is in the sky.

    A clause about the sky alone is dropped; of "sunset over a desert" the desert is kept.
    """
    if _SPACE.search(prompt):
        return prompt
    surface = "floor" if _INDOORS.search(prompt) else "ground"
    clauses = (
        re.sub(r".*\b(?:over|above)\b\s*", "", clause).strip() for clause in re.split(r"[,;.]", prompt)
    )
    place = [clause for clause in clauses if not _is_sky(clause)]
    return ", ".join([f"the {surface} seen from directly above, top-down", *(place or [prompt])])


def _is_sky(clause: str) -> bool:
    return set(_SKY.sub("", clause).lower().split()) <= _BESIDE_THE_SKY


def _prompt(spec: EnvironmentSpec, elevation: float, phrases: tuple[tuple[float, float, str], ...]) -> str:
    if elevation > POLE_ELEVATION and (spec.prompt_zenith or phrases is PHRASES):
        return spec.prompt_zenith or zenith_prompt(spec.prompt)
    if elevation < -POLE_ELEVATION and (spec.prompt_nadir or phrases is PHRASES):
        return spec.prompt_nadir or nadir_prompt(spec.prompt)
    for low, high, phrase in phrases:
        if low <= elevation <= high and (elevation != high or high == 90.0):
            return f"{spec.prompt}, {phrase}" if phrase else spec.prompt
    return spec.prompt
