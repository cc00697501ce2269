# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings in a result's files: found in EXR, PNG and JSON, and words for files without them."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest

from sync_engine.interface.embedded import MOST_BYTES, read_record, read_spec
from sync_engine.interface.spec import EnvironmentSpec, SpecError

SPEC = EnvironmentSpec(prompt="ein Tal, 山谷 “quoted”", width=512, seed=7, sun_stops=2.5, exposure=-1.0)
LIGHT = {"lights": [], "exposure": -1.0}


def exr(**texts: bytes) -> bytes:
    """Return the beginning of an EXR whose header has these texts among other attributes."""
    data = b"\x76\x2f\x31\x01" + struct.pack("<i", 2)
    data += b"compression\0compression\0" + struct.pack("<i", 1) + b"\x03"
    for name, text in texts.items():
        data += name.encode() + b"\0string\0" + struct.pack("<i", len(text)) + text
    return data + b"lineOrder\0lineOrder\0" + struct.pack("<i", 1) + b"\0" + b"\0" + b"pixels" * 100


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of these chunks."""
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in (*chunks, (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_an_exr_tells_its_settings_and_its_light(tmp_path: Path) -> None:
    spec = SPEC.to_json().encode()
    path = write(
        tmp_path / "w.exr", exr(owner=b"me", syncscape=spec, syncscape_light=json.dumps(LIGHT).encode())
    )
    assert read_spec(path) == SPEC
    assert read_record(path) == {"spec": SPEC.to_dict(), "light": LIGHT}


def test_a_png_tells_its_settings_wherever_the_text_stands(tmp_path: Path) -> None:
    text = b"syncscape\0" + json.dumps(SPEC.to_dict()).encode()
    for chunks in (
        [(b"IHDR", b"\0" * 13), (b"tEXt", b"Title\0x"), (b"tEXt", text), (b"IDAT", b"pixels")],
        [(b"IHDR", b"\0" * 13), (b"IDAT", b"p" * 2 * MOST_BYTES), (b"tEXt", text)],
    ):
        assert read_spec(write(tmp_path / "p.png", png(*chunks))) == SPEC


def test_a_folder_and_json_files(tmp_path: Path) -> None:
    write(tmp_path / "spec.json", json.dumps({"spec": SPEC.to_dict(), "light": LIGHT, "id": "x"}).encode())
    assert read_spec(tmp_path) == read_spec(tmp_path / "spec.json") == SPEC
    assert read_record(tmp_path) == {"spec": SPEC.to_dict(), "light": LIGHT}
    assert read_spec(write(tmp_path / "own.json", SPEC.to_json().encode("utf-8-sig"))) == SPEC


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    assert read_spec(write(tmp_path / "renamed.jpg", exr(syncscape=SPEC.to_json().encode()))) == SPEC


BAD = {
    "empty": (b"", "no EXR, PNG or JSON"),
    "jpeg": (b"\xff\xd8\xff\xe0" + b"\0" * 64, "no EXR, PNG or JSON"),
    "list": (b"[1]", "no settings"),
    "deep": (b"[" * 100_000, "no EXR, PNG or JSON"),
    "foreign exr": (exr(owner=b"me"), "no settings"),
    "foreign png": (png((b"IHDR", b"\0" * 13)), "no settings"),
    "cut exr": (exr(syncscape=b"x" * 500)[:200], "cut off"),
    "cut png": (png((b"tEXt", b"syncscape\0" + b"x" * 500))[:200], "cut off"),
    "negative length": (exr()[:8] + b"a\0b\0" + struct.pack("<i", -9), "cut off"),
    "endless name": (exr()[:8] + b"a" * 1000, "cut off"),
    "not json": (exr(syncscape=b"{"), "not JSON"),
    "only light": (exr(syncscape_light=b"{}"), "no settings"),
    "a field of tomorrow": (exr(syncscape=b'{"prompt": "x", "smell": 1}'), "no such field"),
    "out of range": (exr(syncscape=b'{"prompt": "x", "width": 7}'), "width"),
    "a list as spec": (exr(syncscape=b"[1]"), "not a JSON object"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_without_settings_are_told_in_words(tmp_path: Path, name: str) -> None:
    data, words = BAD[name]
    with pytest.raises(SpecError, match=words):
        read_spec(write(tmp_path / "file", data))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.exr", tmp_path / "nul\0.exr"):
        with pytest.raises(SpecError, match="cannot be read"):
            read_spec(path)
