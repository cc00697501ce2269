# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files are judged by their headers: what a damaged or disguised one is told."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import pytest

pytest.importorskip("safetensors", reason="it reads the headers; this checks that bad weights are refused")

from sync_engine.catalog import safetensors_header
from sync_engine.common.errors import ModelNotAvailable


def safetensors(tensors: int = 1) -> bytes:
    """Return a good file of one-element tensors."""
    entries = {
        f"t{i}": {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i in range(tensors)
    }
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4 * tensors)


def test_a_good_file_gives_its_tensors(tmp_path: Path) -> None:
    file = tmp_path / "any.name"
    file.write_bytes(safetensors(3))
    assert sorted(safetensors_header.check_weights_file(file)) == ["t0", "t1", "t2"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (pickle.dumps({"weight": [1.0] * 50}), "a pickle"),
        (b"PK\x03\x04" + bytes(60), "a zip archive"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
        (b"GGUF" + bytes(60), "a GGUF file"),
        (b"", "cut off"),
        (safetensors()[:7], "cut off"),
        (safetensors()[:20], "cut off inside its header"),
        (safetensors()[:-1], "cut off"),
        (safetensors() + b"more", "belong to no tensor"),
        (struct.pack("<Q", 90 * 2**20) + b"{" + bytes(1000), "90 MiB"),
        (struct.pack("<Q", 2) + b"{}", "no tensors"),
        (struct.pack("<Q", 8) + b"{1234567" + bytes(9), "its header"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_bad_file_is_refused_by_what_it_is(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelNotAvailable, match=r"model\.safetensors") as error:
        safetensors_header.check_weights_file(file)
    assert told in error.value.message
    assert error.value.hint


def test_a_header_of_90_mb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The file says so itself and even keeps its word."""
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", 90 * 2**20) + b"{")
        stream.truncate(8 + 90 * 2**20)  # sparse: it costs no disk
    with pytest.raises(ModelNotAvailable, match="90 MiB"):
        safetensors_header.check_weights_file(file)


def test_too_many_tensors_and_too_large_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(safetensors(5))
    monkeypatch.setattr(safetensors_header, "MAX_TENSORS", 4)
    with pytest.raises(ModelNotAvailable, match="5 tensors, more than 4"):
        safetensors_header.check_weights_file(file)
    monkeypatch.setattr(safetensors_header, "MAX_FILE_BYTES", 10)
    with pytest.raises(ModelNotAvailable, match="more than"):
        safetensors_header.check_weights_file(file)
