"""Prompts by elevation: a view of the sky must not be asked for mountains, nor the ground for a horizon."""

from __future__ import annotations

import json
from pathlib import Path

from sync_engine.errors import ModelNotAvailable
from sync_engine.interface.spec import EnvironmentSpec

POLE_ELEVATION = 67.5
"""Views that look further up or down than this have the zenith or nadir prompt."""

PHRASES = (
    (-90.0, -POLE_ELEVATION, "the ground seen from directly above, top-down"),
    (-POLE_ELEVATION, -35.0, "looking down at the ground"),
    (-35.0, 35.0, ""),
    (35.0, POLE_ELEVATION, "looking up at the sky"),
    (POLE_ELEVATION, 90.0, "only the sky straight overhead"),
)
"""(lowest, highest elevation, phrase) for models that bring no ``view_phrases.json``."""


def phrases_of(folder: Path) -> tuple[tuple[float, float, str], ...]:
    """Return the phrases that a model was trained with (``view_phrases.json``), else the general ones."""
    file = folder / "view_phrases.json"
    if not file.is_file():
        return PHRASES
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["phrases"]
        return tuple((float(row["pitch_min"]), float(row["pitch_max"]), str(row["phrase"])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotAvailable(f"{file} cannot be read ({error!r}).", "Fetch the model again.") from error


def window_prompts(
    spec: EnvironmentSpec, elevations: list[float], phrases: tuple[tuple[float, float, str], ...]
) -> list[str]:
    """Return the prompt of each window by the elevation that it looks at, in degrees."""
    return [_prompt(spec, elevation, phrases) for elevation in elevations]


def _prompt(spec: EnvironmentSpec, elevation: float, phrases: tuple[tuple[float, float, str], ...]) -> str:
    if elevation > POLE_ELEVATION and spec.prompt_zenith:
        return spec.prompt_zenith
    if elevation < -POLE_ELEVATION and spec.prompt_nadir:
        return spec.prompt_nadir
    for low, high, phrase in phrases:
        if low <= elevation <= high and (elevation != high or high == 90.0):
            return f"{spec.prompt}, {phrase}" if phrase else spec.prompt
    return spec.prompt
