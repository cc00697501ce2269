# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions of views: the scene's own captions, templates from its record, and the direction of view.

``VIEW_PHRASES`` is the contract with the sphere sampler: it appends exactly these phrases to the prompt
of a window, and training appends them to the captions of views that point there.
"""

import re
from typing import Any

import numpy as np

from training.views import View, sees

# (lowest pitch, highest pitch, phrase), degrees; contiguous, from the nadir to the zenith
VIEW_PHRASES = (
    (-90.0, -72.0, "looking straight down at the ground"),
    (-72.0, -38.0, "looking down at the ground"),
    (-38.0, -2.5, "looking slightly down"),
    (-2.5, 2.5, "looking at the horizon"),  # narrow: a window must know the height of its horizon
    (2.5, 38.0, "looking slightly up"),
    (38.0, 72.0, "looking up at the sky"),
    (72.0, 90.0, "looking straight up at the zenith"),
)
SUN_PHRASE, MOON_PHRASE = "toward the sun", "toward the moon"
DIRECTIONS = ("", *(phrase for _, _, phrase in VIEW_PHRASES))
LIGHTS = ("", SUN_PHRASE, MOON_PHRASE)

SCENES: dict[str, tuple[str, ...]] = {
    "city": ("city", "city street", "street", "town", "urban street", "buildings"),
    "mountains": ("mountains", "mountain", "alpine mountains", "mountain range", "mountain valley", "alps"),
    "interior": ("room", "interior", "indoor room", "room interior", "house interior", "living room"),
    "forest": ("forest", "woods", "woodland", "trees", "forest clearing"),
    "lake": ("lake", "mountain lake", "lakeside", "lake shore", "pond"),
    "meadow": ("meadow", "field", "grassland", "grass field", "green hills", "countryside", "plain"),
    "desert": ("desert", "sand dunes", "sandy desert", "dunes", "sahara desert"),
    "ocean": ("ocean", "sea", "open sea", "open ocean", "water", "waves"),
    "beach": ("beach", "sandy beach", "tropical beach", "coast", "seashore", "shore"),
    "canyon": ("canyon", "rocky canyon", "red rock canyon", "gorge", "cliffs", "mesas"),
    "starry": ("starry landscape", "landscape under the stars", "stars", "starry sky", "milky way landscape"),
    "arctic": (
        "snow",
        "arctic landscape",
        "snowy landscape",
        "ice",
        "frozen landscape",
        "winter landscape",
        "snowy field",
    ),
    "studio": ("studio", "photo studio", "lighting studio", "studio lights", "softbox studio"),
    "space": ("space", "outer space", "nebula", "deep space", "galaxy", "stars in space", "universe"),
    "underwater": ("underwater", "underwater scene", "coral reef", "sea floor", "under the sea", "seabed"),
    "above_clouds": ("above the clouds", "sea of clouds", "clouds from above", "sky above clouds"),
    "volcanic": ("volcano", "volcanic landscape", "lava field", "lava", "volcanic rocks"),
}
TIMES: dict[str, tuple[str, ...]] = {
    "noon": ("noon", "midday", "day", "daytime"),
    "midday": ("midday", "day", "daytime", "noon"),
    "morning": ("morning", "early morning", "day"),
    "afternoon": ("afternoon", "late afternoon", "day"),
    "golden hour": ("golden hour", "evening", "warm evening light", "low sun"),
    "sunset": ("sunset", "evening", "sundown"),
    "sunrise": ("sunrise", "dawn", "daybreak", "early morning"),
    "dusk": ("dusk", "twilight", "blue hour", "nightfall"),
    "night": ("night", "nighttime", "midnight"),
}
WEATHERS: dict[str, tuple[str, ...]] = {
    "clear": ("clear sky", "cloudless sky", "clear", "blue sky", "sunny"),
    "scattered": ("scattered clouds", "few clouds", "some clouds", "fair weather"),
    "partly cloudy": ("partly cloudy", "partly cloudy sky", "white clouds", "fluffy clouds", "clouds"),
    "broken": ("broken clouds", "cloudy", "mostly cloudy sky", "big clouds", "clouds"),
    "wispy": ("wispy clouds", "thin clouds", "cirrus clouds", "high clouds"),
    "overcast": ("overcast", "overcast sky", "cloudy", "grey sky", "gloomy"),
    "stormy": ("stormy", "storm clouds", "dramatic clouds", "thunderstorm", "dark clouds", "stormy sky"),
    "foggy": ("foggy", "fog", "mist", "misty"),
    "hazy": ("hazy", "haze", "hazy sky", "dusty"),
    "milky way": ("milky way", "stars", "starry sky"),
    "aurora": ("aurora", "northern lights"),
}
WEATHERLESS = ("interior", "studio", "space", "underwater")
NIGHT_CLEAR = ("starry sky", "clear night sky", "stars", "clear sky", "clear")
DETAIL_WORDS = (
    "rock",
    "sand",
    "leaves",
    "grass",
    "tone",
    "kind",
    "room",
    "base",
    "planet",
    "scheme",
    "waves",
)
_PHOTO_WORDS = re.compile(
    r"^(?:360 panorama of|360-degree view of|hdri of|equirectangular panorama of|a panoramic view of|"
    r"an environment map of|a wide view of|a spherical photo of|a scene of|360 hdri,|hdri,|panorama,|"
    r"environment,|skybox,)\s*",
    re.IGNORECASE,
)


def strip_photo_words(caption: str) -> str:
    """The caption without a leading "a spherical photo of" and its like."""
    return _PHOTO_WORDS.sub("", caption)


def view_phrase(pitch: float) -> str:
    """The direction phrase of a view by its pitch in degrees."""
    for _, high, phrase in VIEW_PHRASES[:-1]:
        if pitch < high:
            return phrase
    return VIEW_PHRASES[-1][2]


def template_caption(record: dict[str, Any], rng: np.random.Generator) -> str:
    """A plain prompt as a user would type it, true to the record's fields."""

    def pick(options: tuple[str, ...]) -> str:
        return options[int(rng.integers(len(options)))]

    scene = pick(SCENES[record["scene"]])
    if (colours := record["colours"]) and rng.uniform() < 0.15:
        scene = f"{colours[int(rng.integers(min(2, len(colours))))]} {scene}"
    detail = _detail(record, rng) if rng.uniform() < 0.25 else ""
    if record["time"] == "none":
        return ", ".join(part for part in (scene, detail) if part)
    time = pick(TIMES[record["time"]])
    if record["scene"] == "interior":
        forms = (scene, f"{scene}, {time}", f"{scene} at {time}", f"{time} {scene}")
        return ", ".join(part for part in (pick(forms), detail) if part)
    night = record["time"] == "night"
    clear_night = night and record["weather"] in ("clear", "scattered") and record["scene"] != "city"
    weather = pick(NIGHT_CLEAR) if clear_night and rng.uniform() < 0.7 else pick(WEATHERS[record["weather"]])
    if night and weather in ("blue sky", "sunny", "fair weather", "white clouds"):
        weather = "clear sky" if record["weather"] == "clear" else "some clouds"
    forms = (
        f"{time} over a {scene}, {weather}",
        f"{scene} at {time}, {weather}",
        f"{weather} {scene}, {time}",
        f"a {weather} {scene} in the {time}",
        f"{scene}, {time}, {weather}",
        f"{scene} at {time}",
        f"{weather} {scene}",
        f"{time} {scene}",
        f"{time}, {weather}, {scene}",
        scene,
    )
    return ", ".join(part for part in (pick(forms), detail) if part)


def invented_caption(rng: np.random.Generator) -> tuple[dict[str, str], str]:
    """A record's scene, time and weather drawn each by itself, where it looks, and a caption that says all.

    The set has a hundred scenes of a kind, and few of them in fog: from its captions alone words of weather
    are taken for words of a place. Nothing is rendered for an invented caption; it says what words mean.
    """

    def pick(options: Any) -> str:
        return list(options)[int(rng.integers(len(options)))]

    scene = pick([name for name in SCENES if name not in WEATHERLESS])
    weather = pick(WEATHERS)
    time = "night" if weather in ("milky way", "aurora") else pick(TIMES)
    words = pick(SCENES[scene]), pick(TIMES[time]), pick(WEATHERS[weather])
    form = pick(("{1} over a {0}, {2}", "{0} at {1}, {2}", "{2} {0}, {1}", "{0}, {1}, {2}", "{1}, {2}, {0}"))
    looks = pick([phrase for _, _, phrase in VIEW_PHRASES]) if rng.uniform() < 0.9 else ""
    light = pick(LIGHTS) if looks and rng.uniform() < 0.5 else ""
    record = {"scene": scene, "time": time, "weather": weather, "direction": looks, "light": light}
    return record, ", ".join(part for part in (form.format(*words), looks, light) if part)


def _detail(record: dict[str, Any], rng: np.random.Generator) -> str:
    words = [
        f"{value} {key}" if key in ("sand", "rock", "grass", "leaves") else str(value)
        for key in DETAIL_WORDS
        if isinstance(value := record["details"].get(key), str)
    ]
    for key, phrase in (
        ("has_snow", "snow"),
        ("trees", "trees"),
        ("palms", "palm trees"),
        ("lava", "lava"),
        ("wet", "wet ground"),
        ("coral", "coral"),
        ("lit", "lit windows"),
        ("hills", "hills"),
    ):
        if record["details"].get(key) is True:
            words.append(phrase)
    return words[int(rng.integers(len(words)))] if words else ""


def drop_words(caption: str, rng: np.random.Generator, share: float) -> str:
    """The caption with each word left out by chance (never all of them)."""
    words = caption.split()
    kept = [word for word in words if rng.uniform() >= share]
    return " ".join(kept or words)


def direction_phrase(record: dict[str, Any], view: View) -> str:
    """Where the view points, with the sun or the moon when it is in the frame and visible."""
    phrase, sun = view_phrase(view.pitch), record["sun"]
    if sun["visible"] and sees(view, sun["azimuth_deg"], sun["elevation_deg"]):
        phrase += ", " + (MOON_PHRASE if record["has_moon"] else SUN_PHRASE)
    return phrase


def view_caption(record: dict[str, Any], view: View, rng: np.random.Generator) -> str:
    """One training caption of a view: wording, word dropout, direction dropout and no caption at all."""
    if rng.uniform() < 0.1:
        return ""
    if rng.uniform() < 0.75:
        caption = template_caption(record, rng)
    else:
        caption = strip_photo_words(record["captions"][int(rng.integers(len(record["captions"])))])
    if rng.uniform() < 0.2:
        caption = drop_words(caption, rng, 0.15)
    return caption if rng.uniform() < 0.1 else f"{caption}, {direction_phrase(record, view)}"
