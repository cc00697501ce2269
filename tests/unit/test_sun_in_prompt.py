# SPDX-License-Identifier: GPL-3.0-or-later
"""The sun stands where the prompt's words put it, in one place, and only views that show it are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.canvas.views import View, layout
from sync_engine.catalog.models import DRAFT_FOLDER
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.diffusion.joint_loop import split_rows_by_prompt
from sync_engine.prompting.sun_in_prompt import Luminary, known_light, lit_prompts, shows, sky_of
from sync_engine.prompting.view_prompts import light_phrases
from sync_engine.radiance.lights import SkyLight

VIEWS = [view for row in layout(90.0, 0.4) for view in row]
PHRASES = {"sun": "toward the sun", "moon": "toward the moon"}


@pytest.mark.parametrize(
    ("prompt", "body", "elevation"),
    [
        ("sunset over a desert, clear sky", "sun", 3),
        ("golden fields at noon", "sun", 60),
        ("Meadow at golden hour", "sun", 8),
        ("early morning, lake", "sun", 20),
        ("mountains, clear sky", "sun", 45),
        ("sea at night, full moon", "moon", 45),
    ],
)
def test_words_of_time_and_weather_put_it_there(prompt: str, body: str, elevation: float) -> None:
    sky = sky_of(prompt, 1, VIEWS)
    assert sky is not None
    assert (sky.body, sky.elevation) == (body, elevation)


@pytest.mark.parametrize(
    "prompt",
    [
        "mountains",
        "forest in the morning, fog",
        "lake at dusk, clear sky",
        "desert at night, clear sky",
        "a sunny kitchen",
        "coral reef, sun rays",
        "nebula, sun",
        "city at noon, storm clouds",
    ],
)
def test_no_sun_where_none_is_asked_for_or_can_be_seen(prompt: str) -> None:
    assert sky_of(prompt, 1, VIEWS) is None


def test_it_stands_over_the_middle_of_a_view_by_the_seed() -> None:
    skies = [sky_of("sunset", seed, VIEWS) for seed in range(40)]
    assert skies[7] == sky_of("sunset", 7, VIEWS)
    level = {view.azimuth for view in VIEWS if view.elevation == 0}
    assert {sky.azimuth for sky in skies if sky is not None} == level


def test_only_views_that_show_it_are_told() -> None:
    sky = Luminary("sun", 30.0, 5.0)
    views = [View(30.0, 0.0, 90.0), View(60.0, 0.0, 90.0), View(80.0, 0.0, 90.0), View(-150.0, 0.0, 90.0)]
    assert [shows(view, sky) for view in views] == [True, True, False, False]
    prompts = lit_prompts(["dunes"] * 4, views, sky, PHRASES)
    assert prompts == ["dunes, toward the sun", "dunes, toward the sun", "dunes", "dunes"]
    assert lit_prompts(["dunes"] * 4, views, sky, {}) == ["dunes"] * 4
    assert lit_prompts(["dunes"] * 4, views, None, PHRASES) == ["dunes"] * 4


def test_a_prompt_of_the_users_own_for_the_zenith_stays() -> None:
    sky = Luminary("sun", 0.0, 70.0)
    views = [View(0.0, 90.0, 90.0), View(0.0, 45.0, 90.0)]
    prompts = lit_prompts(["a dome", "dunes"], views, sky, PHRASES, own=("a dome", ""))
    assert prompts == ["a dome", "dunes, toward the sun"]


@pytest.mark.parametrize(
    ("prompt", "phrases", "known"),
    [
        ("desert at noon", PHRASES, "light"),
        ("desert at noon", {}, "nothing"),
        ("ocean, overcast", PHRASES, "no light"),
        ("ocean, overcast", {}, "nothing"),
        ("rainy city at night", PHRASES, "nothing"),
        ("city at dusk, overcast", PHRASES, "nothing"),
        ("a foggy kitchen", PHRASES, "nothing"),
        ("mountains", PHRASES, "nothing"),
    ],
)
def test_what_is_known_of_the_light_in_the_sky(prompt: str, phrases: dict[str, str], known: str) -> None:
    sky = known_light(prompt, sky_of(prompt, 4, VIEWS), phrases)
    if known == "light":
        luminary = sky_of(prompt, 4, VIEWS)
        assert sky is not None
        assert luminary is not None
        assert sky.direction == pytest.approx(
            View(luminary.azimuth, luminary.elevation, 90.0).axes()[0].numpy()
        )
    else:
        assert sky == (None if known == "nothing" else SkyLight(None))


def test_smaller_views_show_the_same_sun() -> None:
    sky = sky_of("noon", 3, SphereCanvas(8, turn=20.0).views)
    assert sky is not None
    seeing = [view for view in SphereCanvas(8, 45.0, 20.0).views if shows(view, sky)]
    assert 0 < len(seeing) < 8


def test_views_with_different_prompts_are_not_pulled_together() -> None:
    assert split_rows_by_prompt([[0, 1, 2], [3, 4]], [0, 1, 0, 2, 2]) == [[0, 2], [1], [3, 4]]


def test_phrases_come_with_the_model(tmp_path: Path) -> None:
    assert light_phrases(DRAFT_FOLDER) == PHRASES
    assert light_phrases(tmp_path) == {}
    (tmp_path / "view_phrases.json").write_text("[]", encoding="utf-8")
    assert light_phrases(tmp_path) == {}
    (tmp_path / "view_phrases.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelNotAvailable, match=r"view_phrases\.json cannot be read"):
        light_phrases(tmp_path)
