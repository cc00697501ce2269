# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of methods: what it counts, what it keeps, and that prompts fit the evaluator."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import coherence, contact_sheets, gallery, report, sun_places
from benchmarks.gallery import Case, Gallery, Prompt, read_prompts
from benchmarks.measure import Measure
from sync_engine.canvas.views import View
from sync_engine.evaluation.features import WEIGHTS_VARIABLE
from sync_engine.evaluation.picture import Picture

NOON = Prompt(0, "desert at noon", "desert", "day", None, True)
SPACE = Prompt(1, "space", "space", None, None, False)


def row(detail: float, wall: float, tilt: float = 1.0, **answers: str) -> dict:
    """A measured picture."""
    cost = {"wall": wall, "cpu": wall, "denoise": wall}
    return {"figures": {"detail": detail, "horizon_tilt": tilt}, "answers": answers, "cost": cost}


def test_prompts_ask_for_classes_of_the_evaluator() -> None:
    evaluator = pytest.importorskip("training.evaluator", reason="the classes are training's")
    prompts = read_prompts(36)
    assert len({prompt.scene for prompt in prompts[:16]}) == 16, "sixteen families in the first sixteen"
    for prompt in prompts:
        assert prompt.time is None or prompt.time in evaluator.TIMES
        assert prompt.weather is None or prompt.weather in evaluator.WEATHERS


def test_the_last_prompts_name_the_places_of_the_first() -> None:
    places = read_prompts(12, gallery.PLACES)
    for place, whole in zip(places, read_prompts(12), strict=True):
        assert (place.scene, place.flat, place.time, place.weather) == (whole.scene, whole.flat, None, None)
        assert place.prompt in whole.prompt
        assert place.number == whole.number + gallery.PLACES, "their pictures lie beside the others"
    with pytest.raises(ValueError, match="has 36 prompts, not 37"):
        read_prompts(13, gallery.PLACES)


def test_the_evaluator_in_the_repository_is_small_and_knows_the_classes() -> None:
    """Its accuracy is measured when it is trained, on renders that are not in the repository."""
    from safetensors import safe_open

    evaluator = pytest.importorskip("training.evaluator", reason="the evaluator is training's")
    file = Path(gallery.__file__).with_name("evaluator.safetensors")
    assert file.stat().st_size < 2 << 20
    with safe_open(file, framework="pt") as stored:
        about = json.loads(stored.metadata()["about"])
        width = len(stored.get_tensor("mean"))
    assert set(about["classes"]["time"]) == set(evaluator.TIMES)
    assert set(about["classes"]["weather"]) == set(evaluator.WEATHERS)
    assert len(about["classes"]["scene"]) == 17
    assert about["held_out_accuracy"]["scene"]["panorama"] > 0.9
    head = evaluator.Head(width, about["classes"])
    assert {name: rows.shape[1] for name, rows in head(torch.zeros(2, width)).items()} == {
        name: len(kinds) for name, kinds in about["classes"].items()
    }


def test_fidelity_counts_what_was_asked_only() -> None:
    rows = {
        Case("plate", "sync", NOON, 0): row(1, 1, scene="desert", time="day", weather="clear"),
        Case("plate", "sync", NOON, 1): row(1, 1, scene="beach", time="night", weather="clear"),
        Case("plate", "sync", SPACE, 0): row(1, 1, scene="space", time="day", weather="none"),
    }
    share = coherence.fidelity(rows)
    assert share == {"scene": pytest.approx(2 / 3), "time": 0.5, "time_and_weather": 0.5}


def test_ratios_pair_prompts_and_seeds_and_tilt_needs_level_land() -> None:
    base = {
        Case("plate", "multidiffusion", NOON, 0): row(4, 10, tilt=2),
        Case("plate", "multidiffusion", SPACE, 0): row(2, 2, tilt=50),
    }
    rows = {
        Case("plate", "sync", SPACE, 0): row(2, 3, tilt=50),
        Case("plate", "sync", NOON, 0): row(1, 12, tilt=1),
    }
    summary = coherence.summarise(rows, base)
    assert summary["ratios"]["detail"] == pytest.approx(0.5)
    assert summary["figures"]["horizon_tilt"] == 1
    assert summary["time_ratios"]["wall"] == pytest.approx((1.5 + 1.2) / 2)
    assert summary["detail_lost"][0] == (0.25, "desert at noon", 0)


def test_report_marks_what_misses_its_aim() -> None:
    method = {"pictures": 2, "seconds": {"wall": 5.0, "cpu": 5.0, "denoise": 4.0}, "detail_lost": []}
    method |= {"time_ratios": {"wall": 1.3, "cpu": 1.1, "denoise": 1.4}}
    base = method | {"figures": {"intra_lpips": 0.5}, "fidelity": {"scene": 0.9, "time_and_weather": 0.7}}
    ours = method | {"figures": {"intra_lpips": 0.4}, "fidelity": {"scene": 0.9, "time_and_weather": 0.8}}
    kinds = {"plate": {"multidiffusion": base, "sync": ours}}
    result = {"model": "m", "prompts": 1, "first_prompt": "sea", "seeds": 1, "kinds": kinds}
    result |= {"real": None, "evaluator": None}
    kid = {"generated": 0.02, "reconstructions": 0.01}
    result["realism"] = {
        "views": 9,
        "kid_vgg": {name: {"mean": mean, "spread": 0.001} for name, mean in kid.items()},
        "generated_over_reconstructions": 2.0,
    }
    words = report.in_words(result)
    assert "| Intra-LPIPS (VGG) | 0.5 | 0.4 | 0.80 (≤ 0.81) ✓ |" in words
    assert "| seconds | 5.0 | 5.0 | 1.30 (≤ 1.25) ✗ |" in words
    assert "90%, 70% ✗ | 90%, 80% ✓" in words
    for asked in (base, ours):
        del asked["fidelity"]["time_and_weather"]
    assert "| 90% ✓ | 90% ✓ |" in report.in_words(result), "prompts that name a place only"
    assert "Generated over reconstructions: 2.0 (≤ 3) ✓" in words


@pytest.mark.slow
def test_pictures_are_made_once_and_compared(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    monkeypatch.setattr(gallery, "SIZES", {"plate": (512, 128)})
    options = argparse.Namespace(
        out=tmp_path,
        methods=["sync"],
        prompts=1,
        first=0,
        seeds=2,
        kinds=["plate"],
        data=tmp_path,
        real=1,
    )

    def run() -> dict:
        made = Gallery(tmp_path, str(tiny_folder), steps=2)
        return coherence.compare(options, made, Measure(tmp_path / "figures"))

    first = run()
    sync = first["kinds"]["plate"]["sync"]
    assert sync["pictures"] == 2
    assert sync["seconds"]["wall"] > 0
    assert {"detail", "variety", "repetition"} <= sync["figures"].keys()
    assert json.loads((tmp_path / "coherence.json").read_text())["kinds"].keys() == {"plate"}
    monkeypatch.setattr(Gallery, "_run", lambda *_: pytest.fail("made again"))
    assert run() == first


def test_fingerprint_changes_with_the_weights(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(tiny_folder, copy)
    before = gallery.fingerprint(str(copy), 2)
    assert before == gallery.fingerprint(str(tiny_folder), 2) != gallery.fingerprint(str(copy), 3)
    file = next((copy / "unet").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    assert gallery.fingerprint(str(copy), 2) != before


def test_tiles_show_the_poles_of_a_world() -> None:
    world = torch.zeros(3, 64, 128)
    world[0, :16], world[2, -16:] = 1, 1
    tile = contact_sheets.tile(Picture("w", world, "world"), 100)
    assert tile.size == (100, 40)
    assert tile.getpixel((90, 9)) == (255, 0, 0), "the zenith above"
    assert tile.getpixel((90, 30)) == (0, 0, 255), "the nadir below"
    sheet = contact_sheets.sheet([("a", [[tile, tile]]), ("b", [[tile, tile]])], ["left", "right"])
    assert sheet.width == contact_sheets.WIDTH
    assert sheet.getpixel((640 + 90, 18 + 18 + 9)) == (255, 0, 0)


def test_the_place_of_the_sun_is_the_one_that_the_words_and_the_seed_gave() -> None:
    place = sun_places.asked_place(Case("world", "sync", NOON, 3), 16)
    assert place is not None
    assert place.elevation > 30
    assert sun_places.asked_place(Case("world", "sync", NOON, 3), 32) == place, "whatever the model"
    assert sun_places.asked_place(Case("world", "sync", SPACE, 3), 16) is None
    assert sun_places.angle_between(place, place) == pytest.approx(0, abs=1e-3)
    beside = View(place.azimuth + 10, 0, 90)
    assert sun_places.angle_between(View(place.azimuth, 0, 90), beside) == pytest.approx(10)


def test_views_of_one_panorama_are_compared_with_those_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    alike = pytest.importorskip("benchmarks.window_distance", reason="the classes are training's")

    class Net:
        """A view is a number, LPIPS the difference of two."""

        def layers(self, crops: list[float]) -> list[float]:
            return crops

        def lpips(self, a: float, b: float) -> float:
            return abs(a - b)

    views = {"a": [0.0, 2.0, 4.0], "b": [10.0, 12.0, 14.0]}
    read = lambda path, kind: SimpleNamespace(crops=views[path.name])  # noqa: E731
    monkeypatch.setattr(alike.picture, "read", read)
    found = alike.compare(Net(), [[Path("a"), Path("b")], [Path("alone")]], 100)
    assert found == {
        "pairs": 1,
        "within": pytest.approx(8 / 3),
        "between": 10.0,
        "ratio": pytest.approx(4 / 15),
    }
    records = [
        {"scene": "sea", "time": time, "weather": "clear", "picture": Path(time)}
        for time in ("noon", "night", "morning")
    ]
    assert alike.by(records, alike.described) == [[Path("noon"), Path("morning")], [Path("night")]]
