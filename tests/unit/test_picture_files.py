# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures are judged at the door: whole or not, by header, chunk table and size, quickly and bounded."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest
from picture_bytes import attribute, exr, png

from sync_engine.interface.bounded_json import DEEPEST, MOST_BYTES, is_too_deep, load_json, read_json
from sync_engine.interface.picture_files import DamagedPicture, check_picture


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_whole_pictures_pass(tmp_path: Path) -> None:
    for name, data in (("w.exr", exr()), ("p.png", png()), ("p.png", png() + b"more"), ("x.jpg", b"jpeg")):
        check_picture(write(tmp_path / name, data))


def test_a_picture_cut_at_any_length_does_not(tmp_path: Path) -> None:
    for name, whole in (("w.exr", exr()), ("p.png", png())):
        for length in range(len(whole)):
            with pytest.raises(DamagedPicture):
                check_picture(write(tmp_path / name, whole[:length]))


HUGE = 10**9
DAMAGED = {
    "a page.exr": b"<!doctype html><title>Not found</title>",
    "a page.png": b"<!doctype html><title>Not found</title>",
    "wide.exr": exr().replace(struct.pack("<2i", 15, 7), struct.pack("<2i", HUGE, HUGE)),
    "inside out.exr": exr().replace(struct.pack("<2i", 15, 7), struct.pack("<2i", -5, 7)),
    "never written.exr": exr()[: -8 * 24 - 64] + bytes(64) + exr()[-8 * 24 :],
    "endless name.exr": exr()[:8] + b"a" * 1000,
    "negative length.exr": exr()[:8] + b"a\0b\0" + struct.pack("<i", -9),
    "no windows.exr": exr()[:8] + attribute(b"compression", b"compression", b"\3") + b"\0",
    "only a header.exr": exr(height=4000)[:300],
    "short header.png": png(length=5),
    "wide.png": png(width=2**31, height=2**31),
    "no size.png": png(width=0),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_pictures_are_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(DamagedPicture):
        check_picture(write(tmp_path / name, DAMAGED[name]))


def test_a_header_of_millions_of_attributes_is_not_read_through(tmp_path: Path) -> None:
    many = b"".join(attribute(b"a%d" % number, b"int", b"abcd") for number in range(100_000))
    path = write(tmp_path / "w.exr", exr(more=many))
    read = []

    class Counting:
        """Counts instead of measuring a time, which would depend on the machine."""

        def __init__(self, file) -> None:
            self._file = file

        def __getattr__(self, name: str):
            read.append(name)
            return getattr(self._file, name)

    from sync_engine.interface import picture_files

    with path.open("rb") as file, pytest.raises(DamagedPicture, match="more than 1000 attributes"):
        picture_files.exr_parts(Counting(file), frozenset())  # type: ignore[arg-type]
    assert len(read) < 10_000


@pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="no named pipes; it would check that none is waited for"
)
def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.exr")
    start = time.monotonic()
    for path in (tmp_path / "pipe.exr", tmp_path):
        with pytest.raises(OSError, match=r"regular|directory"):
            check_picture(path)
    with pytest.raises(OSError, match="regular"):
        read_json(tmp_path / "pipe.exr")
    assert time.monotonic() - start < 60, "nobody waits for somebody to write into the pipe"


def test_json_has_a_longest_and_a_deepest(tmp_path: Path) -> None:
    assert load_json(b'\xef\xbb\xbf{"prompt": "[[[[{{{{\\"["}') == {"prompt": '[[[[{{{{"['}
    assert load_json(b"[" * DEEPEST + b"]" * DEEPEST)
    for data in (b"[" * 988 + b"]" * 988, b'{"a":' * 988 + b"1" + b"}" * 988, b"[" * (DEEPEST + 1), b"\xff"):
        with pytest.raises(ValueError, match=r".") as error:
            load_json(data)
        assert not isinstance(error.value, RecursionError)
    with pytest.raises(ValueError, match="longer"):
        read_json(write(tmp_path / "spec.json", b" " * (MOST_BYTES + 1)))


def test_brackets_in_texts_are_not_levels() -> None:
    assert not is_too_deep(b'{"prompt": "' + b"[" * 500 + b'", "n": ["\\\\", "\\"[[["]}')
    assert not is_too_deep(b'{"list": [' + b", ".join([b"[1]"] * 500) + b"]}")
    assert is_too_deep(b"[" + b"{}," * 50 + b"[" * 40 + b"]" * 40 + b"]")
