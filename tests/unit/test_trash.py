# SPDX-License-Identifier: GPL-3.0-or-later
"""The trash: what goes there can be brought back, and what cannot go there stays where it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from test_history import add

from sync_engine.host import trash
from sync_engine.host.history import ResultError, read_result, trash_result
from sync_engine.host.trash import TrashError, has_trash, move_to_trash

freedesktop = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"),
    reason="the trash folder of Linux desktops; other systems have another",
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "Trash"


@freedesktop
def test_a_result_goes_to_the_trash_with_a_note_of_its_origin(tmp_path: Path, home: Path) -> None:
    folder = add(tmp_path / "my library ü", "one")
    assert has_trash(folder)
    trash_result(read_result(folder))
    assert not folder.exists()
    assert (home / "files" / "one" / "world.exr").read_bytes() == b"picture"
    note = (home / "info" / "one.trashinfo").read_text().splitlines()
    assert note[0] == "[Trash Info]"
    assert unquote(note[1]) == f"Path={folder}"
    assert note[2].startswith("DeletionDate=20")


@freedesktop
def test_two_of_the_same_name(tmp_path: Path, home: Path) -> None:
    for _ in range(2):
        move_to_trash(add(tmp_path / "library", "one"))
    assert sorted(path.name for path in (home / "files").iterdir()) == ["one", "one.1"]
    assert len(list((home / "info").iterdir())) == 2


@freedesktop
def test_without_a_trash_nothing_is_moved(tmp_path: Path, monkeypatch) -> None:
    folder = add(tmp_path, "one")
    monkeypatch.setattr(trash, "_trash_for", lambda _path: None)
    assert not has_trash(folder)
    with pytest.raises(TrashError, match="no trash"):
        move_to_trash(folder)
    assert read_result(folder)


@freedesktop
def test_a_refused_move_leaves_no_note(tmp_path: Path, home: Path, monkeypatch) -> None:
    folder = add(tmp_path / "library", "one")

    def refuse(*_arguments) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(trash.os, "rename", refuse)
    with pytest.raises(TrashError, match="read-only"):
        move_to_trash(folder)
    assert not list((home / "info").iterdir())
    assert folder.is_dir()


def test_more_than_a_result_is_left_alone(tmp_path: Path) -> None:
    folder = add(tmp_path, "one")
    (folder / "mine").mkdir()
    with pytest.raises(ResultError, match="more than a result"):
        trash_result(read_result(folder))
    assert (folder / "mine").is_dir()


def test_macos_asks_the_finder(tmp_path: Path, monkeypatch) -> None:
    """On a Mac the Finder does it; here only the question can be seen."""
    asked = []

    def run(command, **_options):
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "Not authorised")

    monkeypatch.setattr(trash.sys, "platform", "darwin")
    monkeypatch.setattr(trash.subprocess, "run", run)
    with pytest.raises(TrashError, match="Not authorised"):
        move_to_trash(tmp_path)
    assert asked[0][0] == "osascript"
    assert asked[0][-1] == str(tmp_path)
