# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts by elevation: the sky is asked for sky, the ground for ground, and the user's words win."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.prompting.view_prompts import (
    PHRASES,
    nadir_prompt,
    phrases_of,
    window_prompts,
    zenith_prompt,
)

TRAINED = ((-90.0, -60.0, "down"), (-60.0, 60.0, "level"), (60.0, 90.0, "up"))


@pytest.mark.parametrize(
    ("prompt", "zenith"),
    [
        ("sunset over a desert, clear sky", "sunset, clear sky"),
        ("red rocks at noon", "noon"),
        ("snowy mountains under deep blue sky. soft light", "deep blue sky, soft light"),
        ("starry night over mountains", "starry night"),
        ("mountains", ""),
        ("Sunrise, a castle, sunrise", "Sunrise, sunrise"),
    ],
)
def test_the_zenith_keeps_the_sky_and_nothing_that_stands_on_the_ground(prompt: str, zenith: str) -> None:
    assert zenith_prompt(prompt) == ", ".join(
        ["only the sky straight overhead", *([zenith] if zenith else [])]
    )


@pytest.mark.parametrize(
    ("prompt", "nadir"),
    [
        ("sunset over a desert, clear sky", "a desert"),
        ("storm clouds over the sea", "the sea"),
        ("palm beach at noon, scattered clouds", "palm beach at noon"),
        ("a clear sky", "a clear sky"),
    ],
)
def test_the_nadir_keeps_the_place_and_drops_what_is_about_the_sky_alone(prompt: str, nadir: str) -> None:
    assert nadir_prompt(prompt) == f"the ground seen from directly above, top-down, {nadir}"


def test_rooms_have_a_ceiling_and_a_floor() -> None:
    assert zenith_prompt("a living room at night").startswith(
        "the ceiling seen from directly below, a living"
    )
    assert nadir_prompt("a living room at night").startswith("the floor seen from directly above")
    assert "room" in zenith_prompt("a living room at night")


def test_space_has_no_ground_and_the_sea_no_sky() -> None:
    assert zenith_prompt("a nebula") == nadir_prompt("a nebula") == "a nebula"
    assert zenith_prompt("coral reef, sun rays").startswith("the water surface seen from below")


def test_each_window_is_asked_for_what_it_sees() -> None:
    spec = EnvironmentSpec("mountains at dawn")
    up, above, level, below, down = window_prompts(spec, [90.0, 45.0, 0.0, -45.0, -90.0], PHRASES)
    assert up == "only the sky straight overhead, dawn"
    assert above == "mountains at dawn, looking up"
    assert level == "mountains at dawn"
    assert below == "mountains at dawn, looking down at the ground"
    assert down == "the ground seen from directly above, top-down, mountains at dawn"


@pytest.mark.parametrize("phrases", [PHRASES, TRAINED])
def test_the_words_of_the_user_win_at_the_poles_only(phrases: tuple) -> None:
    spec = EnvironmentSpec("mountains at dawn", prompt_zenith="thin clouds", prompt_nadir="wet stones")
    plain = EnvironmentSpec("mountains at dawn")
    elevations = [90.0, 70.0, 45.0, 0.0, -45.0, -70.0, -90.0]
    prompts = window_prompts(spec, elevations, phrases)
    assert prompts[:2] == ["thin clouds"] * 2
    assert prompts[-2:] == ["wet stones"] * 2
    assert prompts[2:-2] == window_prompts(plain, elevations, phrases)[2:-2]


def test_a_model_that_was_told_in_training_is_told_in_the_same_words() -> None:
    spec = EnvironmentSpec("mountains at dawn")
    prompts = window_prompts(spec, [90.0, 60.0, 59.9, -60.0, -90.0], TRAINED)
    assert [prompt.removeprefix("mountains at dawn, ") for prompt in prompts] == [
        "up",
        "up",
        "level",
        "level",
        "down",
    ]


def test_phrases_are_read_from_the_folder_of_the_model(tmp_path: Path) -> None:
    assert phrases_of(tmp_path) == PHRASES
    row = {"pitch_min": -90, "pitch_max": 90, "phrase": "around"}
    (tmp_path / "view_phrases.json").write_text(json.dumps({"phrases": [row]}))
    assert phrases_of(tmp_path) == ((-90.0, 90.0, "around"),)
    (tmp_path / "view_phrases.json").write_text('{"phrases": [{"pitch_min": "low"}]}')
    with pytest.raises(ModelNotAvailable, match=r"view_phrases\.json"):
        phrases_of(tmp_path)
