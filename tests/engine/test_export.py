# SPDX-License-Identifier: GPL-3.0-or-later
"""``export``: what other programs get is the light of the World, in their conventions."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sync_engine.__main__ import main
from sync_engine.canvas.views import equirectangular_rays
from sync_engine.host.export import Export
from sync_engine.interface import memory
from sync_engine.pictures.export import FACES, rgbe
from sync_engine.pictures.read import read_picture
from sync_engine.radiance import prefilter
from sync_engine.runtime.output import write_exr


def panorama(height: int = 64) -> np.ndarray:
    """Return a panorama whose colour says the direction: red along +X, green along +Y, blue along +Z."""
    rays = equirectangular_rays(height, torch.arange(height), torch.arange(2 * height))
    return (rays.clamp(min=0).reshape(height, 2 * height, 3) * 4 + 0.1).float().numpy()


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_exr(tmp_path / "world.exr", panorama(), {})
    return tmp_path / "world.exr"


@pytest.mark.parametrize(("form", "name", "off"), [("exr", "a.exr", 0.05), ("hdr", "a.hdr", 0.01)])
def test_light_is_kept(world: Path, tmp_path: Path, form: str, name: str, off: float) -> None:
    assert main(["export", str(world), "--to", form, "--out", str(tmp_path / name)]) == 0
    back = read_picture(tmp_path / name)
    assert back.linear
    wanted = panorama()
    assert (np.abs(back.pixels - wanted) / wanted.max(axis=-1, keepdims=True)).max() < off


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_eight_bits_have_panorama_tags(world: Path, tmp_path: Path, name: str) -> None:
    form = "png" if name.endswith("png") else "jpeg"
    out = tmp_path / name
    assert main(["export", str(world), "--to", form, "--out", str(out), "--exposure", "-2.5"]) == 0
    assert b'GPano:ProjectionType="equirectangular"' in out.read_bytes()
    picture = read_picture(out)
    assert picture.pixels.shape == (64, 128, 3)
    assert abs(float(picture.pixels[32, 64, 0]) - 0.87) < 0.03, "4.1 at -2.5 EV is 0.72, in sRGB 0.87"


def test_cube_faces_look_along_their_axes(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "cube"
    assert main(["export", str(world), "--to", "cube", "--out", str(out), "--size", "32"]) == 0
    assert sorted(file.stem for file in out.iterdir()) == sorted(FACES)
    for axis, name in enumerate(("px", "py", "pz")):
        middle = read_picture(out / f"{name}.exr").pixels[15:17, 15:17].mean(axis=(0, 1))
        wanted = np.full(3, 0.1)
        wanted[axis] = 4.1
        assert np.abs(middle - wanted).max() < 0.2, name


def test_rgbe_keeps_the_largest_part_to_a_256th() -> None:
    light = np.array([[[0, 0, 0], [1, 0.5, 0.25], [70000, 3, 1e-5], [1e-3, 2e-3, 0]]], dtype=np.float32)
    coded = rgbe(light)
    back = coded[..., :3] * np.exp2(coded[..., 3:].astype(float) - 136)
    assert (np.abs(back - light).max(axis=-1) <= light.max(axis=-1) / 128).all()
    assert (coded[0, 0] == 0).all()


def test_irradiance_of_a_white_sky_is_pi_and_of_a_half_one_follows_the_cosine() -> None:
    assert torch.allclose(prefilter.irradiance(torch.ones(3, 64, 128)), torch.tensor(math.pi), rtol=2e-3)
    half = torch.ones(3, 64, 128)
    half[:, 32:] = 0
    column = prefilter.irradiance(half)[0, :, 0]
    elevation = torch.deg2rad(90 - (torch.arange(32) + 0.5) / 32 * 180)
    assert torch.allclose(column, math.pi * (1 + elevation.sin()) / 2, atol=0.05)


def test_levels_keep_the_energy_and_blur_more_and_more() -> None:
    picture = torch.full((3, 64, 128), 0.1)
    picture[:, 20:24, 60:64] = 50.0
    spread = []
    for roughness, level in prefilter.levels(picture):
        weight = torch.cos((torch.arange(level.shape[1]) + 0.5) / level.shape[1] * math.pi - math.pi / 2)
        mean = float((level[0] * weight[:, None]).sum() / weight.sum() / level.shape[2])
        source = torch.cos((torch.arange(64) + 0.5) / 64 * math.pi - math.pi / 2)
        wanted = float((picture[0] * source[:, None]).sum() / source.sum() / 128)
        assert abs(mean / wanted - 1) < 0.15, roughness
        spread.append(float(level[0].max()))
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] < spread[0] / 50


def test_an_ibl_set_names_its_levels(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "ibl"
    assert main(["export", str(world), "--to", "ibl", "--out", str(out)]) == 0
    said = json.loads((out / "ibl.json").read_text())
    assert [row["roughness"] for row in said["levels"]][::3] == [0.0, 1.0]
    assert all((out / row["file"]).is_file() for row in said["levels"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "exr", "--out", "a.png"], "has not the suffix"),
        (["--to", "png", "--out", "a.png", "--exposure", "99"], "exposure = 99.0: out of range"),
        (["--to", "cube", "--out", "faces", "--size", "4"], "size = 4: out of range"),
    ],
)
def test_bad_options_are_told(world: Path, tmp_path: Path, monkeypatch, capsys, arguments, words) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(world), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / arguments[3]).exists()


def test_other_shapes_are_refused(tmp_path: Path, capsys) -> None:
    write_exr(tmp_path / "wide.exr", np.ones((64, 192, 3), dtype=np.float32), {})
    assert main(["export", str(tmp_path / "wide.exr"), "--to", "hdr", "--out", str(tmp_path / "a.hdr")]) == 2
    assert "not twice as wide" in capsys.readouterr().err


def test_memory_is_planned_before_a_picture_is_read(world: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    assert main(["export", str(world), "--to", "hdr", "--out", str(tmp_path / "a.hdr")]) == 4
    assert "GiB of memory" in capsys.readouterr().err


@pytest.mark.slow
def test_blender_exports_in_a_child_process(world: Path, tmp_path: Path) -> None:
    done = Export(sys.executable, world, "hdr", tmp_path / "a.hdr")
    assert done.wait(120)
    assert (done.problem, done.files) == (None, [tmp_path / "a.hdr"])
    wrong = Export(sys.executable, world, "png", tmp_path / "a.png", exposure=99.0)
    assert wrong.wait(120)
    assert wrong.problem is not None
    assert "exposure = 99.0: out of range" in wrong.problem.message
    gone = Export(tmp_path / "no-python", world, "hdr", tmp_path / "b.hdr")
    assert gone.wait(20)
    assert gone.problem is not None
    assert gone.problem.code == "engine_missing"
