# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as guides: what is kept of them, where, at which size; what makes no sense is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sync_engine.backbones.loading import load
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.catalog import models
from sync_engine.common.errors import EngineError
from sync_engine.common.progress import Reporter
from sync_engine.guiding.pictures import cut, kept_of
from sync_engine.interface.embedded import read_spec
from sync_engine.interface.guides import Picture
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.pictures.read import read_picture
from sync_engine.runtime.job import Engine
from sync_engine.runtime.output import write_exr
from tests.small_models import tiny


def photo(path: Path, width: int = 96, height: int = 64) -> Path:
    """Write a photo whose red grows to the right and green downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pixels = np.stack([x, y, np.full_like(x, 60)], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def spec(guide: dict[str, Any], **changes: Any) -> EnvironmentSpec:
    usual: dict[str, Any] = {"prompt": "a calm sea", "width": 256, "seed": 1}
    return EnvironmentSpec.from_dict({**usual, "guides": [{"type": "picture", **guide}], **changes})


def test_a_photo_is_kept_where_it_is_and_nowhere_else(tmp_path: Path) -> None:
    kept = kept_of(spec({"file": str(photo(tmp_path / "a.png")), "azimuth": 90, "fov": 60}))
    assert kept is not None
    assert kept.mask.shape == (128, 256)
    assert kept.mask[64, 64] == 1
    assert kept.mask[64, 192] == 0
    painted = torch.rand(3, 128, 256)
    pasted = kept.paste(painted)
    inside = kept.mask == 1
    assert torch.equal(pasted[:, inside], kept.picture[:, inside])
    assert torch.equal(pasted[:, kept.mask == 0], painted[:, kept.mask == 0])
    assert kept.paste(torch.rand(3, 256, 512)).shape == (3, 256, 512)


def test_a_repaired_part_of_an_hdr_world_keeps_the_light_of_the_rest(tmp_path: Path) -> None:
    light = np.full((64, 128, 3), 0.2, dtype=np.float32)
    light[20, 30] = 500.0
    write_exr(tmp_path / "world.exr", light, {})
    kept = kept_of(spec({"file": str(tmp_path / "world.exr"), "azimuth": 0, "elevation": 0, "radius": 30}))
    assert kept is not None
    assert kept.radiance is not None
    assert kept.radiance.max() > 100
    assert kept.picture.max() <= 1
    assert kept.mask[64, 128] == 0
    assert kept.mask[64, 0] == 1


def test_a_mask_is_white_where_the_picture_is_painted_anew(tmp_path: Path) -> None:
    mask = np.zeros((64, 256), dtype=np.uint8)
    mask[:, 128:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    file = photo(tmp_path / "plate.png", 512, 128)
    guide = {"file": str(file), "mask": str(tmp_path / "mask.png")}
    kept = kept_of(spec(guide, kind="plate", width=512, height=128))
    assert kept is not None
    assert kept.mask[:, :250].min() == 1
    assert kept.mask[:, 262:].max() == 0


@pytest.mark.parametrize("world", [True, False])
def test_latents_are_those_of_what_windows_see(tmp_path: Path, world: bool) -> None:
    model = load(models.find(str(tiny.build(tmp_path / "m"))), torch.device("cpu"), torch.float32)
    canvas = SphereCanvas(16) if world else PlaneCanvas(16, 64, 16, 8)
    guide = {"file": str(photo(tmp_path / "a.png")), **({"fov": 100} if world else {"width": 0.6})}
    shape = {} if world else {"kind": "plate", "width": 512, "height": 128}
    kept = kept_of(spec(guide, **shape))
    assert kept is not None
    latents, cells = kept.latents(model, canvas)
    assert latents.shape == canvas.noise(4, torch.Generator()).shape
    assert cells.shape == (len(latents), 1, *latents.shape[2:])
    assert set(cells.unique().tolist()) == {0.0, 1.0}
    if world:
        number = min(
            range(len(canvas.views)),
            key=lambda n: abs(canvas.views[n].elevation) + abs(canvas.views[n].azimuth),
        )
        seen = cut(kept.picture, canvas, 8)[number]
        torch.testing.assert_close(latents[number], model.encode_picture(seen[None] * 2 - 1)[0])


@pytest.mark.parametrize(
    ("guide", "words"),
    [
        ({"fov": 60}, "guides\\[0\\].file.*missing"),
        ({"file": "a.png"}, "nothing would be painted"),
        ({"file": "a.png", "fov": 500}, "fov = 500"),
        ({"file": "a.png", "fov": 60, "strength": 0.5}, "a photo that is placed somewhere is kept whole"),
        ({"file": "a.png", "x": 0.5, "fov": 60}, "not a place on this kind of picture"),
        ({"file": "a.png", "mask": "m.png", "radius": 20}, "there is a mask already"),
        ({"file": "a.png", "strength": 1.5}, "strength = 1.5"),
    ],
)
def test_what_makes_no_sense_is_told_at_the_door(guide: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        spec(guide)


@pytest.mark.parametrize(
    ("guide", "words"),
    [
        ({"file": "missing.png", "fov": 60}, "missing.png"),
        ({"file": "photo.png", "strength": 0.5}, "another shape than what is painted"),
        ({"file": "wide.png", "mask": "white.png"}, "white everywhere"),
        ({"file": "wide.png", "mask": "photo.png"}, "another shape than the picture"),
    ],
)
def test_files_that_do_not_fit_are_told_before_any_work(
    tmp_path: Path, monkeypatch, guide, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "photo.png")
    photo(tmp_path / "wide.png", 256, 128)
    Image.fromarray(np.full((128, 256), 255, dtype=np.uint8)).save(tmp_path / "white.png")
    with pytest.raises(EngineError, match=words):
        kept_of(spec(guide))


def test_guides_come_back_from_json() -> None:
    made = spec({"file": "a.png", "fov": 60, "azimuth": 10})
    assert EnvironmentSpec.from_json(made.to_json()) == made
    assert made.guides == (Picture(file="a.png", fov=60, azimuth=10),)


def job(folder: Path, model: Path, name: str, guides: list[dict[str, Any]], **changes: Any) -> Path:
    """Make a picture with a small model and return its folder."""
    usual = {"prompt": "a calm sea", "model": str(model), "seed": 3, "device": "cpu", "precision": "fp32"}
    small = {"kind": "plate", "width": 256, "height": 128, "steps": 4, "guides": guides}
    made = EnvironmentSpec.from_dict({**usual, **small, **changes})
    Engine().run(made, folder / name, Reporter("job", lambda event: None))
    return folder / name


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sync", "multidiffusion", "sync-paper"])
def test_a_plate_keeps_the_photo_to_the_pixel(tmp_path: Path, tiny_folder: Path, method: str) -> None:
    guide = {"type": "picture", "file": str(photo(tmp_path / "a.png")), "width": 0.4}
    kept = kept_of(spec({"file": guide["file"], "width": 0.4}, kind="plate", height=128))
    assert kept is not None
    out = job(tmp_path, tiny_folder, "out", [guide], method=method)
    got = np.asarray(Image.open(out / "plate.png"), dtype=np.float32)
    wanted = np.round(kept.picture.permute(1, 2, 0).numpy() * 255)
    inside = (kept.mask == 1).numpy()
    assert np.abs(got[inside] - wanted[inside]).max() == 0
    free = job(tmp_path, tiny_folder, "free", [], method=method)
    plain = np.asarray(Image.open(free / "plate.png"), dtype=np.float32)
    assert np.abs(got[~inside] - plain[~inside]).max() > 3, "the rest grows to fit it"
    record = json.loads((out / "spec.json").read_text())
    assert record["guide_files"][0]["copy"] == "guide-0-file.png"
    assert str(tmp_path) not in (out / "plate.png").read_bytes().decode("latin-1"), "no path of this computer"
    copy = str(out / "guide-0-file.png")
    assert read_spec(out / "plate.png").guides == (Picture(file=copy, width=0.4),), "the copy is found"


@pytest.mark.slow
def test_a_repaired_hdr_world_keeps_its_light_outside_the_repair(tmp_path: Path, tiny_folder: Path) -> None:
    light = np.full((128, 256, 3), 0.2, dtype=np.float32)
    light[40, 60] = 900.0
    write_exr(tmp_path / "world.exr", light, {})
    guide = {"type": "picture", "file": str(tmp_path / "world.exr"), "azimuth": -90, "radius": 30}
    out = job(tmp_path, tiny_folder, "out", [guide], kind="world", width=256, height=None)
    got = read_picture(out / "world.exr").pixels
    kept = kept_of(spec({"file": guide["file"], "azimuth": -90, "radius": 30}))
    assert kept is not None
    inside = (kept.mask == 1).numpy()
    assert np.array_equal(got[inside], light[inside])
    assert got[40, 60, 0] == 900
    assert np.abs(got[64, 192] - 0.2).max() > 1e-3, "the middle of the cap is new"


@pytest.mark.slow
def test_little_strength_changes_a_picture_little(tmp_path: Path, tiny_folder: Path) -> None:
    """Beside what the random autoencoder makes of the picture, which is far from the picture itself."""
    file = photo(tmp_path / "plate.png", 256, 128)
    model = load(models.find(str(tiny_folder)), torch.device("cpu"), torch.float32)
    kept = kept_of(spec({"file": str(file), "strength": 0.5}, kind="plate", height=128))
    assert kept is not None
    clean, _ = kept.latents(model, PlaneCanvas(16, 32, 16, 8))
    source = model.decode(clean)[0].add(1).mul(127.5).clamp(0, 255).permute(1, 2, 0).numpy()
    change = []
    for strength in (0.1, 1.0):
        guide = {"type": "picture", "file": str(file), "strength": strength}
        out = job(tmp_path, tiny_folder, f"{strength}", [guide], steps=10)
        change.append(np.abs(np.asarray(Image.open(out / "plate.png"), dtype=np.float32) - source).mean())
    assert change[0] < 0.5 * change[1], change
    free = np.asarray(Image.open(job(tmp_path, tiny_folder, "free", [], steps=10) / "plate.png"))
    whole = np.asarray(Image.open(tmp_path / "1.0" / "plate.png"))
    assert np.array_equal(free, whole), "all anew: the picture is not looked at"


def test_a_photo_that_is_not_there_is_told_before_the_model_is_loaded(tmp_path: Path) -> None:
    guide = {"type": "picture", "file": str(tmp_path / "gone.png"), "fov": 60}
    with pytest.raises(EngineError, match=r"gone\.png"):
        job(tmp_path, tmp_path / "no model", "out", [guide], kind="world", height=None)
