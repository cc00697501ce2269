"""``expand`` and ``inspect`` on files: good ones, and each kind of bad one with words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sync_engine.__main__ import main
from sync_engine.interface.embedded import read_spec
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.output import write_exr
from tests.engine.test_radiance import sky


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_a_picture_becomes_an_exr_that_says_how(tmp_path: Path, capsys) -> None:
    picture = save(tmp_path / "day.png", (sky() * 255).round().astype(np.uint8))
    assert main(["expand", str(picture), "--out", str(tmp_path / "day.exr"), "--sun-stops", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main(["inspect", str(tmp_path / "day.exr")]) == 0
    assert json.loads(capsys.readouterr().out)["light"] == told
    assert told["sun_stops"] == 2.0


@pytest.mark.parametrize("kind", ["grey", "deep grey", "opaque", "black", "white"])
def test_unusual_pictures_are_expanded(tmp_path: Path, kind: str, capsys) -> None:
    day = (sky() * 255).round().astype(np.uint8)
    pixels = {
        "grey": day[..., 0],
        "deep grey": day[..., 0].astype(np.uint16) * 257,
        "opaque": np.dstack([day, np.full(day.shape[:2], 255, dtype=np.uint8)]),
        "black": np.zeros((64, 128, 3), dtype=np.uint8),
        "white": np.full((64, 128, 3), 255, dtype=np.uint8),
    }[kind]
    picture = save(tmp_path / "p.png", pixels)
    assert main(["expand", str(picture), "--out", str(tmp_path / "p.exr")]) == 0
    assert (json.loads(capsys.readouterr().out)["lights"] == []) == (kind in ("black", "white"))


BAD = {
    "square": "twice as wide",
    "tiny": "pixels wide",
    "transparent": "transparent",
    "text": "cannot be read",
    "missing": "cannot be read",
    "nan": "1 pixels that are no number",
    "hdr": "HDR already",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_pictures_are_told_in_words(tmp_path: Path, kind: str, capsys) -> None:
    path = tmp_path / ("p.exr" if kind in ("nan", "hdr") else "p.png")
    if kind in ("square", "tiny"):
        save(path, np.zeros((64, 64, 3) if kind == "square" else (8, 16, 3), dtype=np.uint8))
    elif kind == "transparent":
        save(path, np.zeros((64, 128, 4), dtype=np.uint8))
    elif kind == "text":
        path.write_text("no picture")
    elif kind in ("nan", "hdr"):
        light = np.full((64, 128, 3), 0.5, dtype=np.float32)
        light[3, 5] = np.nan if kind == "nan" else 20.0
        write_exr(path, light, {})
    assert main(["expand", str(path), "--out", str(tmp_path / "out.exr")]) == 2
    told = capsys.readouterr().err
    assert BAD[kind] in told
    assert str(path) in told
    assert not (tmp_path / "out.exr").exists()


def test_settings_in_any_language_come_back_from_an_exr(tmp_path: Path) -> None:
    spec = EnvironmentSpec(prompt="山谷, Täler and “quotes”", width=512, seed=7, exposure=-1.5)
    write_exr(tmp_path / "p.exr", np.zeros((4, 8, 3), dtype=np.float32), {"syncscape": spec.to_json()})
    assert read_spec(tmp_path / "p.exr") == spec


def test_inspect_refuses_a_file_without_settings(tmp_path: Path, capsys) -> None:
    write_exr(tmp_path / "p.exr", np.zeros((4, 8, 3), dtype=np.float32), {})
    assert main(["inspect", str(tmp_path / "p.exr")]) == 2
    assert "no settings" in capsys.readouterr().err
