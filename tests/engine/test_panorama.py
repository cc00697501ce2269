# SPDX-License-Identifier: GPL-3.0-or-later
"""Panoramas in one window: their turns, seam and poles, when they are chosen, and their trigger words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sync_engine.backbones.loras import trigger_of
from sync_engine.canvas.panorama import PanoramaCanvas
from sync_engine.catalog import models
from sync_engine.common.progress import Reporter
from sync_engine.diffusion.panorama import NEW_ABOVE_DEG, OWN_ABOVE_DEG, pole_share
from sync_engine.interface.loras import Lora
from sync_engine.interface.panoramas import known_trigger, paints_panoramas
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.pictures.read import read_picture
from sync_engine.runtime import stages
from sync_engine.runtime.job import Engine
from tests.small_models import flow_jobs, tiny, tiny_flow


def test_a_turn_goes_there_and_back_without_a_change() -> None:
    canvas = PanoramaCanvas(16, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(1))
    turns = set()
    for step in range(20):
        canvas.turn(step)
        window = canvas.gather(state)
        turns.add(canvas._shift)
        assert window.shape == (1, 4, 16, 48)
        torch.testing.assert_close(canvas.fuse(window), state)
    assert turns == {0, 8, 16, 24}, "every turn of the grid comes up"
    assert (canvas.window_size, canvas.rows, canvas.elevations) == ((16, 48), [[0]], [0.0])


def test_passes_begin_at_the_trained_size() -> None:
    canvas = PanoramaCanvas(128, 8)
    assert canvas.heights(512, 8) == [512]
    assert canvas.heights(1024, 8) == [1024]
    assert canvas.heights(4096, 8) == [1024, 2048, 4096]


@pytest.mark.parametrize(
    ("model", "lora", "expected"),
    [
        ("draft", "", False),
        ("ProGamerGov/sdxl-360-diffusion", "", True),
        ("sdxl", "/loras/360-Diffusion-LoRA-sd-v1-5.safetensors:0.9", True),
        ("flux2-klein", "C:\\loras\\flux-2-klein-4B-360-erp-outpaint-lora.safetensors", True),
        ("sdxl", "/panoramas/film_grain.safetensors", False),
        ("model-13601", "", False),
    ],
)
def test_names_choose_the_projection(model: str, lora: str, expected: bool) -> None:
    loras = (lora,) if lora else ()
    assert paints_panoramas(model, loras) is expected
    spec = EnvironmentSpec("a hall", model=model, loras=loras).validated()
    assert spec.canvas == ("panorama" if expected else "sphere")
    assert EnvironmentSpec("a hall", model=model, loras=loras, kind="plate").canvas == "plate"
    assert EnvironmentSpec("a hall", model=model, loras=loras, projection="sphere").canvas == "sphere"


def test_guides_are_refused() -> None:
    spec = {
        "prompt": "a hall",
        "projection": "panorama",
        "guides": [{"type": "sun", "azimuth": 0, "elevation": 9}],
    }
    with pytest.raises(SpecError, match="takes no guides"):
        EnvironmentSpec.from_dict(spec)


def test_trigger_words_come_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "some.safetensors"
    save_file({"a": torch.ones(1)}, file, metadata={"modelspec.trigger_phrase": " round view "})
    assert trigger_of(Lora(str(file))) == "round view"
    save_file({"a": torch.ones(1)}, file, metadata={"trigger_words": "x" * 500})
    assert trigger_of(Lora(str(file))) == ""
    assert known_trigger("sd-1.5", ("/l/360-Diffusion-LoRA-sd-v1-5.safetensors:1",)) == "qxj"
    assert known_trigger("sdxl") == ""


def test_only_the_rows_around_the_poles_are_new() -> None:
    share = pole_share(180)
    degrees = (90 - (torch.arange(180) + 0.5)).abs()
    assert (share[degrees < OWN_ABOVE_DEG] == 0).all()
    assert (share[degrees > NEW_ABOVE_DEG] > 0.999).all()
    torch.testing.assert_close(share, share.flip(0))


def world(model: str, out: Path, **changes) -> tuple[np.ndarray, dict]:
    usual = {"seed": 3, "steps": 3, "width": 256, "device": "cpu", "precision": "fp32", "ldr": True}
    spec = EnvironmentSpec("a calm sea", model=model, projection="panorama", **{**usual, **changes})
    files, _ = Engine().run(spec.validated(), out, Reporter("job", lambda _: None))
    return read_picture(Path(files["preview"])).pixels, json.loads(Path(files["spec"]).read_text())


def column_step(picture: np.ndarray) -> float:
    """Return the step over the seam as a share of the usual step between neighbouring columns."""
    steps = np.abs(np.diff(picture, axis=1)).mean()
    return float(np.abs(picture[:, 0] - picture[:, -1]).mean() / steps)


@pytest.mark.slow
@pytest.mark.parametrize("build", [tiny.build, tiny_flow.build_klein])
def test_a_world_of_one_window_has_no_seam(tmp_path: Path, monkeypatch, build) -> None:
    folder = build(tmp_path / "m")
    told: list[list[str]] = []
    encode = stages.encode

    def heard(plan, model, canvas, sky):
        told.append([type(canvas).__name__, plan.trigger])
        return encode(plan, model, canvas, sky)

    monkeypatch.setattr(stages, "encode", heard)
    monkeypatch.setitem(models.TABLE, "small", flow_jobs.row(folder, 128))
    picture, record = world("small", tmp_path / "a", trigger="qxj")
    assert picture.shape[1] == 2 * picture.shape[0] == 256
    assert column_step(picture) < 1.5
    assert record["spec"]["projection"] == "panorama"
    assert record["spec"]["trigger"] == "qxj"
    assert told == [["PanoramaCanvas", "qxj"], ["SphereCanvas", "qxj"]]
