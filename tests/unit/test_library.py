# SPDX-License-Identifier: GPL-3.0-or-later
"""The library's list: bit by bit, newest first, and in step with what others do to the folder."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from test_history import add

from sync_engine.host.library import Library


def ids(library: Library) -> list[str]:
    return [result.id for result in library.results]


def age(folder: Path, seconds: float = 60.0) -> None:
    """Give a folder an older time of change, so that it counts as settled."""
    then = time.time() - seconds
    os.utime(folder, (then, then))


def test_bit_by_bit_and_the_newest_first(tmp_path: Path) -> None:
    for number in range(30):
        add(tmp_path, f"2026-{number:02}", created=f"2026-11-01T10:00:{number:02}+00:00")
    library = Library(tmp_path)
    versions = [library.version]
    library.refresh(budget_s=0.0)
    assert ids(library) == ["2026-29"]
    assert not library.complete
    while not library.complete:
        library.refresh(budget_s=0.0)
        versions.append(library.version)
    assert ids(library) == [f"2026-{number:02}" for number in reversed(range(30))]
    assert versions == sorted(set(versions))
    assert library.newest().id == "2026-29"


def test_nothing_is_read_again_while_nothing_changes(tmp_path: Path, monkeypatch) -> None:
    folder = add(tmp_path, "one")
    library = Library(tmp_path)
    age(tmp_path)
    assert library.refresh()
    first = library.results[0]
    (folder / "spec.json").write_text("{}")  # not looked at: the library's folder did not change
    assert not library.refresh()
    assert library.results[0] is first


def test_what_another_blender_makes_and_deletes_is_noticed(tmp_path: Path) -> None:
    add(tmp_path, "a")
    library = Library(tmp_path)
    library.refresh()
    add(tmp_path, "b")
    assert library.refresh()
    assert ids(library) == ["b", "a"]
    shutil.rmtree(tmp_path / "a")
    assert library.refresh()
    assert ids(library) == ["b"]
    assert library.get("a") is None
    assert library.get("b") is library.results[0]


def test_broken_folders_are_left_out_and_tried_again(tmp_path: Path) -> None:
    folder = add(tmp_path, "half")
    picture = folder / "world.exr"
    picture.rename(folder / "away")
    (tmp_path / "assets").mkdir()
    library = Library(tmp_path)
    library.refresh()
    assert ids(library) == []
    assert library.complete
    (folder / "away").rename(picture)
    library.forget()
    library.refresh()
    assert ids(library) == ["half"]


def test_no_folder_no_results(tmp_path: Path) -> None:
    library = Library(tmp_path / "nowhere")
    assert not library.refresh()
    assert library.complete
    assert library.newest() is None
    add(tmp_path / "nowhere", "one")
    assert library.refresh()


def test_find_and_newest_by_kind(tmp_path: Path) -> None:
    add(tmp_path, "1", "a Snowy mountain at dawn")
    add(tmp_path, "2", "a mountain LAKE", kind="plate")
    library = Library(tmp_path)
    library.refresh()
    assert [result.id for result in library.find(text="mountain")] == ["2", "1"]
    assert [result.id for result in library.find("world", "MOUNTAIN dawn")] == ["1"]
    assert library.newest("world").id == "1"
    assert library.newest().id == "2"
