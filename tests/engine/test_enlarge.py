# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds made larger: layout, light and sun stay, whatever the passes paint; what cannot be is told first."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sync_engine.__main__ import main
from sync_engine.common.errors import EngineError, OutOfMemory
from sync_engine.interface import memory
from sync_engine.interface.enlarging import enlarging
from sync_engine.interface.guides import Picture, Region, Sun
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.pictures import exr
from sync_engine.pictures.read import read_picture
from sync_engine.radiance.directions import LUMINANCE, irradiance, light_vector, normals, reduced
from sync_engine.radiance.srgb import from_linear
from sync_engine.runtime.enlargement import Enlargement
from sync_engine.runtime.output import write_exr

SEA = EnvironmentSpec("a calm sea", seed=3, device="cpu", precision="fp32", steps=2)


def panorama(height: int = 64) -> np.ndarray:
    """Return the light of a smooth world with a sun of 500 at a quarter of its width."""
    row, column = np.mgrid[0:height, 0 : 2 * height] / height
    light = np.stack([0.2 + 0.1 * np.sin(column * np.pi), 0.3 + 0.2 * row, 0.6 - 0.4 * row], axis=-1)
    light[height // 4, height // 2] = 500.0
    return light.astype(np.float32)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_exr(tmp_path / "world.exr", panorama(), {})
    return tmp_path / "world.exr"


def enlargement(picture: Path, width: int = 256) -> tuple[Enlargement, EnvironmentSpec]:
    spec = enlarging(SEA, picture, width).validated()
    found = Enlargement.of(spec)
    assert found is not None
    return found, spec


def test_the_light_and_the_sun_of_an_hdr_picture_stay(world: Path) -> None:
    found, spec = enlargement(world)
    assert found.heights(128) == [128]
    assert found.heights(300) == [128, 256, 300]
    rows = np.random.default_rng(0).normal(0, 0.05, (128, 256, 3))  # what the passes add
    plain = np.repeat(np.repeat(found.shown.permute(1, 2, 0).numpy(), 2, axis=0), 2, axis=1)
    cast = (plain * [1.0, 0.9, 1.1] + rows).clip(0, 1).astype(np.float32)
    made = found.lit(cast, spec).radiance
    before, after = panorama(), reduced(made, 128)
    vectors = [light_vector(light @ LUMINANCE) for light in (before, after)]
    cosine = vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1])
    assert np.degrees(np.arccos(min(1.0, float(cosine)))) < 1.0
    on = [irradiance(light, normals()) for light in (before, after)]
    assert np.abs(on[1] / on[0] - 1).max() < 0.05, "in each channel: the colour cast is gone"
    assert made.max() > 200, "the sun is no white spot"
    fine = [float(np.median(np.abs(np.diff(light[..., 1], axis=0)))) for light in (before, made)]
    assert fine[1] > 3 * fine[0], "what the passes add is there"


def test_an_8_bit_picture_gets_its_light_as_expand_gives_it(tmp_path: Path) -> None:
    shown = from_linear(panorama().clip(0, 1))
    shown[14:19, 30:35] = 1.0
    Image.fromarray(np.round(shown * 255).astype(np.uint8)).save(tmp_path / "a.png")
    found, spec = enlargement(tmp_path / "a.png")
    assert found.radiance is None
    bright = np.repeat(np.repeat(shown, 2, axis=0), 2, axis=1)
    plain, strong = (
        found.lit(bright, dataclasses.replace(spec, **given)) for given in ({"ldr": True}, {"sun_stops": 3.0})
    )
    assert plain.radiance.max() <= 1.001
    assert strong.radiance.max() > 5
    assert strong.report["lights"]


def test_a_seam_is_no_seam(world: Path) -> None:
    found, spec = enlargement(world)
    smooth = np.repeat(np.repeat(found.shown.permute(1, 2, 0).numpy(), 2, axis=0), 2, axis=1)
    made = found.lit(smooth, spec).radiance
    across = np.abs(made[:, 0] - made[:, -1]).max()
    assert across < 2 * np.abs(made[64:, 1:] - made[64:, :-1]).max()


@pytest.mark.parametrize(
    ("height", "width", "wanted", "words"),
    [
        (64, 192, 512, "192 × 64, not twice as wide"),
        (128, 256, 256, "256 wide already"),
        (16, 32, 256, "32 pixels wide"),
    ],
)
def test_what_cannot_be_made_larger_is_told(tmp_path: Path, height, width, wanted, words) -> None:
    write_exr(tmp_path / "a.exr", np.ones((height, width, 3), dtype=np.float32), {})
    with pytest.raises(EngineError, match=words):
        enlargement(tmp_path / "a.exr", wanted)


def test_memory_is_planned_before_a_picture_is_read(world: Path, monkeypatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 3 * 2**30)
    monkeypatch.setattr(exr, "_full", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(OutOfMemory, match=r"world\.exr needs about 3\.8 GiB of memory, 3\.0 are free"):
        enlargement(world, 8192)


def test_a_spec_says_what_it_enlarges() -> None:
    kept = (Region(prompt="a boat", azimuth=0.0, elevation=0.0), Sun(azimuth=10.0, elevation=20.0))
    made = dataclasses.replace(
        SEA, projection="equirectangular", method="blended", guides=(*kept, Picture(file="a.png", fov=50.0))
    )
    spec = enlarging(made, Path("/there/world.exr"), 2048).validated()
    assert (spec.guides, spec.projection, spec.method) == (kept, "sphere", "sync")
    assert spec.without_paths().enlarge == "world.exr"
    assert EnvironmentSpec.from_json(spec.to_json()) == spec
    for fault in ({"kind": "plate"}, {"projection": "equirectangular"}, {"enlarge": "\x00"}):
        with pytest.raises(SpecError, match="enlarge"):
            dataclasses.replace(spec, guides=(), **fault).validated()
    with pytest.raises(SpecError, match="takes no pictures"):
        dataclasses.replace(spec, guides=(Picture(file="a.png", strength=0.5),)).validated()


@pytest.mark.slow
def test_the_command_makes_the_same_picture_of_the_same_seed(
    tiny_folder: Path, world: Path, tmp_path: Path, capfd
) -> None:
    given = ["--prompt", "a calm sea", "--model", str(tiny_folder), "--seed", "3", "--steps", "2"]
    for name in ("a", "b"):
        command = ["enlarge", str(world), "--width", "256", "--out", str(tmp_path / name), *given]
        assert main([*command, "--device", "cpu", "--precision", "fp32", "--json"]) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [event["stage"] for event in events if event["type"] == "progress"].count("denoise") == 0
    a, b = (read_picture(tmp_path / name / "world.exr").pixels for name in "ab")
    assert a.shape == (128, 256, 3)
    assert (a == b).all()
    assert a.max() > 200, "whatever the model paints, the sun stays"
    record = json.loads((tmp_path / "a" / "spec.json").read_text())
    assert record["spec"]["enlarge"] == str(world)
    assert "sync_net" not in record["engine"]


@pytest.mark.parametrize(
    ("name", "words"), [("gone.exr", "there is no such picture"), ("world.exr", "does not say what it shows")]
)
def test_the_command_says_what_lacks(world: Path, name: str, words: str, capsys) -> None:
    out = world.parent / "out"
    assert main(["enlarge", str(world.parent / name), "--width", "256", "--out", str(out)]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()
