# SPDX-License-Identifier: GPL-3.0-or-later
"""What the text encoder learns from: captions of no picture, and rare weather drawn more often."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("torch", reason="the training needs torch; captions and their labels would be checked")

from training.batches import rare_chances
from training.captions import DIRECTIONS, LIGHTS, SCENES, TIMES, WEATHERLESS, WEATHERS, invented_caption
from training.text_encoder import SAID, invented
from training.vocabulary import build_tokenizer


def test_an_invented_caption_names_scene_time_and_weather():
    rng = np.random.default_rng(0)
    for _ in range(300):
        record, caption = invented_caption(rng)
        for table, field in ((SCENES, "scene"), (TIMES, "time"), (WEATHERS, "weather")):
            assert any(words in caption for words in table[record[field]]), (field, record, caption)


def test_every_weather_is_invented_over_every_place_that_has_one():
    """No weather belongs to a place: that is what these captions are for."""
    rng = np.random.default_rng(1)
    drawn = [invented_caption(rng)[0] for _ in range(6000)]
    places = [scene for scene in SCENES if scene not in WEATHERLESS]
    assert {(record["scene"], record["weather"]) for record in drawn} == {
        (s, w) for s in places for w in WEATHERS
    }
    assert {record["time"] for record in drawn if record["weather"] == "aurora"} == {"night"}


def test_an_invented_caption_ends_with_where_it_looks():
    rng = np.random.default_rng(0)
    drawn = [invented_caption(rng) for _ in range(400)]
    for record, caption in drawn:
        said = ", ".join(part for part in (record["direction"], record["light"]) if part)
        assert caption.endswith(said)
    assert {record["direction"] for record, _ in drawn} == set(DIRECTIONS)
    assert {record["light"] for record, _ in drawn} == set(LIGHTS)


def test_labels_of_invented_captions_count_from_the_classes_of_the_set():
    classes = {
        "scene": sorted(SCENES),
        "time": sorted([*TIMES, "none"]),
        "weather": sorted([*WEATHERS, "none"]),
        **SAID,
    }
    tokenizer = build_tokenizer(["fog", "desert", "noon"])
    tokens, labels = invented(classes, tokenizer, 16, np.random.default_rng(2))
    again = np.random.default_rng(2)
    expected = [invented_caption(again)[0] for _ in range(16)]
    assert tokens.shape[0] == 16
    for field in classes:
        assert [classes[field][number] for number in labels[field]] == [record[field] for record in expected]


def test_panoramas_in_rare_weather_are_drawn_up_to_twice_as_often():
    counts = Counter({"clear": 225, "foggy": 12, "hazy": 3})  # a tenth of them is 24
    records = [
        {"weather": weather, "scene": "city"} for weather, count in counts.items() for _ in range(count)
    ]
    chances = dict(zip((record["weather"] for record in records), rare_chances(records), strict=True))
    assert chances == {"clear": 1.0, "foggy": pytest.approx(2**0.5), "hazy": 2.0}


def test_panoramas_of_a_rare_kind_of_scene_are_drawn_more_often_too():
    counts = Counter({"city": 188, "space": 6, "studio": 6})  # 6 % of them is 12
    records = [{"weather": "clear", "scene": scene} for scene, count in counts.items() for _ in range(count)]
    chances = dict(zip((record["scene"] for record in records), rare_chances(records), strict=True))
    assert chances == {"city": 1.0, "space": pytest.approx(2**0.5), "studio": pytest.approx(2**0.5)}
