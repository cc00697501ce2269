# SPDX-License-Identifier: GPL-3.0-or-later
"""``expand`` and ``inspect`` on files: good ones, and each kind of bad one with words."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from sync_engine.__main__ import main
from sync_engine.cli.radiance import read_shown
from sync_engine.interface.embedded import read_spec
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.radiance.srgb import to_linear
from sync_engine.runtime.output import write_exr
from tests.small_models.pictures import sky


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


def save_deep(path: Path, pixels: np.ndarray) -> Path:
    """Write 8-bit RGB as a PNG of 16 bits a channel, which Pillow only reads."""
    height, width = pixels.shape[:2]
    rows = (pixels.astype(">u2") * 257).reshape(height, -1).view(np.uint8)
    data = zlib.compress(np.insert(rows, 0, 0, axis=1).tobytes())
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in chunks
        )
    )
    return path


@pytest.mark.parametrize("options", [[], ["--sun-stops", "2"]], ids=["estimated", "set"])
@pytest.mark.parametrize(
    "kind", ["grey", "deep grey", "deep", "opaque", "grey opaque", "palette", "black", "white", "linear"]
)
def test_unusual_pictures_are_expanded(tmp_path: Path, kind: str, options: list[str], capsys) -> None:
    """Each is read as what it shows, and gives a finite picture that is nowhere darker than itself."""
    day = (sky() * 255).round().astype(np.uint8)
    opaque = np.full(day.shape[:2], 255, dtype=np.uint8)
    path = tmp_path / ("p.exr" if kind == "linear" else "p.png")
    shown = day
    if kind in ("grey", "deep grey", "grey opaque"):
        shown = np.repeat(day[..., :1], 3, axis=-1)
    if kind in ("black", "white"):
        shown = np.full((64, 128, 3), 0 if kind == "black" else 255, dtype=np.uint8)
    if kind == "deep":
        save_deep(path, day)
    elif kind == "linear":
        write_exr(path, to_linear(day / 255) - 0.001, {})  # a renderer's black may be below it
    elif kind == "palette":
        image = Image.fromarray(day).quantize(256)
        image.save(path)
        shown = np.asarray(image.convert("RGB"))
    else:
        pixels = {
            "grey": day[..., 0],
            "deep grey": day[..., 0].astype(np.uint16) * 257,
            "opaque": np.dstack([day, opaque]),
            "grey opaque": np.dstack([day[..., 0], opaque]),
        }
        save(path, pixels.get(kind, shown))
    assert np.allclose(read_shown(path)[0], shown / 255, atol=0.014 if kind == "linear" else 1e-6)
    made = tmp_path / "made.exr"
    assert main(["expand", str(path), "--out", str(made), "--exposure", "0", *options]) == 0
    assert (json.loads(capsys.readouterr().out)["lights"] == []) == (kind in ("black", "white"))
    with OpenEXR.File(str(made)) as file:
        light = file.channels()["RGB"].pixels
        assert light.dtype == np.float32
        assert np.isfinite(light).all()
        assert (light >= to_linear(shown / 255) - 0.0011).all()


BAD = {
    "square": "twice as wide",
    "one more": "129 × 64",
    "tiny": "pixels wide",
    "transparent": "transparent",
    "text": "cannot be read",
    "missing": "cannot be read",
    "half seen": "transparent",
    "palette hole": "transparent",
    "nan": "1 pixels that are no number",
    "infinite": "1 pixels that are no number or infinite",
    "hdr": "HDR already",
    "one channel": "no colours R, G and B",
    "no exr": "cannot be read",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_pictures_are_told_in_words(tmp_path: Path, kind: str, capsys) -> None:
    exr = ("nan", "infinite", "hdr", "one channel", "no exr")
    path = tmp_path / ("p.exr" if kind in exr else "p.png")
    sizes = {"square": (64, 64), "one more": (64, 129), "tiny": (8, 16)}
    wrong = {"nan": np.nan, "infinite": np.inf, "hdr": 20.0}
    if kind in sizes:
        save(path, np.zeros((*sizes[kind], 3), dtype=np.uint8))
    elif kind == "transparent":
        save(path, np.zeros((64, 128, 4), dtype=np.uint8))
    elif kind == "half seen":
        grey = np.full((64, 128, 2), 255, dtype=np.uint8)
        grey[5, 5, 1] = 254
        save(path, grey)
    elif kind == "palette hole":
        Image.fromarray((sky(height=64) * 255).astype(np.uint8)).quantize(16).save(path, transparency=3)
    elif kind in ("text", "no exr"):
        path.write_text("no picture")
    elif kind == "one channel":
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"Z": np.full((64, 128), 0.5, dtype=np.float32)}).write(str(path))
    elif kind in wrong:
        light = np.full((64, 128, 3), 0.5, dtype=np.float32)
        light[3, 5] = wrong[kind]
        write_exr(path, light, {})
    assert main(["expand", str(path), "--out", str(tmp_path / "out.exr")]) == 2
    told = capsys.readouterr().err
    assert BAD[kind] in told
    assert str(path) in told
    assert not (tmp_path / "out.exr").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("sun-stops", "nan"), ("sun-stops", "99"), ("exposure", "-99")]
)
def test_bad_numbers_are_told_in_words(tmp_path: Path, option: str, value: str, capsys) -> None:
    picture = save(tmp_path / "p.png", np.zeros((64, 128, 3), dtype=np.uint8))
    assert main(["expand", str(picture), "--out", str(tmp_path / "out.exr"), f"--{option}={value}"]) == 2
    told = capsys.readouterr().err
    assert option.replace("-", "_") in told
    assert "out of range" in told
    assert not (tmp_path / "out.exr").exists()


def test_a_place_that_cannot_be_written_is_told_in_words(tmp_path: Path, capsys) -> None:
    picture = save(tmp_path / "p.png", np.zeros((64, 128, 3), dtype=np.uint8))
    (tmp_path / "file").write_text("")
    assert main(["expand", str(picture), "--out", str(tmp_path / "file" / "out.exr")]) != 0
    assert "cannot be written" in capsys.readouterr().err


def test_settings_in_any_language_come_back_from_an_exr(tmp_path: Path) -> None:
    spec = EnvironmentSpec(prompt="山谷, Täler and “quotes”", width=512, seed=7, exposure=-1.5)
    write_exr(tmp_path / "p.exr", np.zeros((4, 8, 3), dtype=np.float32), {"syncscape": spec.to_json()})
    assert read_spec(tmp_path / "p.exr") == spec


def test_inspect_refuses_a_file_without_settings(tmp_path: Path, capsys) -> None:
    write_exr(tmp_path / "p.exr", np.zeros((4, 8, 3), dtype=np.float32), {})
    assert main(["inspect", str(tmp_path / "p.exr")]) == 2
    assert "no settings" in capsys.readouterr().err
