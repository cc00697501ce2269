# SPDX-License-Identifier: GPL-3.0-or-later
"""The history: what is on disk is listed, what is broken is named and never in the way."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from picture_bytes import exr

from sync_engine.host.history import (
    Result,
    ResultError,
    broken_results,
    delete_result,
    list_results,
    read_result,
)
from sync_engine.interface.partial_folders import FolderLock, sweep_partials
from sync_engine.interface.spec import EnvironmentSpec

DAY_S = 24 * 3600


def add(
    library: Path,
    name: str,
    prompt: str = "a meadow",
    kind: str = "world",
    created: object = "2026-11-23T10:15:30+00:00",
) -> Path:
    folder = library / name
    folder.mkdir(parents=True)
    spec = EnvironmentSpec(prompt, kind=kind, seed=7).to_dict()
    record = {"spec": spec, "id": name, "created": created, "engine": {}, "timings": {"total": 2.5}}
    (folder / "spec.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / ("world.exr" if kind == "world" else "plate.png")).write_bytes(b"picture")
    (folder / "preview.png").write_bytes(b"small")
    return folder


def names(results: list[Result]) -> list[str]:
    return [result.id for result in results]


def test_read_result(tmp_path) -> None:
    folder = add(tmp_path, "one", "Wüste 🏜", "plate")
    result = read_result(folder)
    assert result == Result(
        id="one",
        folder=folder,
        kind="plate",
        image=folder / "plate.png",
        preview=folder / "preview.png",
        spec=EnvironmentSpec("Wüste 🏜", kind="plate", seed=7),
        created="2026-11-23T10:15:30+00:00",
        timings={"total": 2.5},
    )


def test_newest_first_whatever_the_time_zone(tmp_path) -> None:
    add(tmp_path, "b", created="2026-11-23T12:00:00+00:00")
    add(tmp_path, "a", created="2026-11-23T12:00:00+00:00")
    add(tmp_path, "late", created="2026-11-23T11:30:00-08:00")
    add(tmp_path, "early", created="2026-11-23T12:30:00+09:00")
    add(tmp_path, "zulu", created="2026-11-23T12:00:01Z")
    add(tmp_path, "unknown", created="some day")
    add(tmp_path, "none", created=None)
    assert names(list_results(tmp_path)) == ["late", "zulu", "b", "a", "early", "unknown", "none"]


def test_filter_by_kind_and_words(tmp_path) -> None:
    add(tmp_path, "1", "a Snowy mountain at dawn")
    add(tmp_path, "2", "a mountain LAKE", kind="plate")
    add(tmp_path, "3", "straße in the rain")
    assert names(list_results(tmp_path, kind="plate")) == ["2"]
    assert names(list_results(tmp_path, text="MOUNTAIN")) == ["2", "1"]
    assert names(list_results(tmp_path, text="dawn snow")) == ["1"]
    assert names(list_results(tmp_path, kind="world", text="mountain")) == ["1"]
    assert names(list_results(tmp_path, text="STRASSE")) == ["3"]
    assert names(list_results(tmp_path, text="  ")) == ["3", "2", "1"]
    assert list_results(tmp_path, text="desert") == []


def test_library_that_is_not_there_or_no_folder(tmp_path) -> None:
    (tmp_path / "file").touch()
    for library in (tmp_path / "nothing", tmp_path / "file"):
        assert list_results(library) == []
        assert broken_results(library) == []
        assert sweep_partials(library) == []


def broken(folder: Path, how: str) -> None:
    spec = folder / "spec.json"
    record = json.loads(spec.read_text())
    if how == "no spec":
        spec.unlink()
    elif how == "spec is a folder":
        spec.unlink()
        spec.mkdir()
    elif how == "no image":
        (folder / "world.exr").unlink()
    elif how == "empty image":
        (folder / "world.exr").write_bytes(b"")
    elif how == "image of another kind":
        (folder / "world.exr").rename(folder / "plate.png")
    elif how == "bad field":
        spec.write_text(json.dumps(record | {"spec": record["spec"] | {"width": 1000}}))
    elif how == "field of tomorrow":
        spec.write_text(json.dumps(record | {"spec": record["spec"] | {"spheres": 3}}))
    else:
        contents = {
            "empty": b"",
            "half": spec.read_bytes()[:40],
            "binary": b"\xff\xfe\x00",
            "deep": b"[" * 100_000,
            "list": b"[1]",
            "no spec in it": b"{}",
            "spec of a wrong type": b'{"spec": 5}',
            "long number": b'{"spec": ' + b"9" * 5000 + b"}",
        }
        spec.write_bytes(contents[how])


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("no spec", "spec.json is missing"),
        ("spec is a folder", "spec.json cannot be read"),
        ("no image", "world.exr is missing or empty"),
        ("empty image", "world.exr is missing or empty"),
        ("image of another kind", "world.exr is missing or empty"),
        ("bad field", "width = 1000"),
        ("empty", "spec.json is not JSON"),
        ("half", "spec.json is not JSON"),
        ("binary", "spec.json is not JSON"),
        ("deep", "spec.json is not JSON"),
        ("long number", "spec.json is not JSON"),
        ("list", "spec.json is not a JSON object"),
        ("no spec in it", "spec that cannot be used"),
        ("spec of a wrong type", "spec that cannot be used"),
    ],
)
def test_broken_folder_is_named_and_the_others_are_listed(tmp_path, how, problem) -> None:
    add(tmp_path, "good")
    folder = add(tmp_path, "bad")
    broken(folder, how)
    assert names(list_results(tmp_path)) == ["good"]
    (error,) = broken_results(tmp_path)
    assert error.folder == folder
    assert problem in error.problem
    assert str(folder) in str(error)
    with pytest.raises(ResultError, match="bad"):
        read_result(folder)


def test_result_without_its_small_picture_shows_the_large_one(tmp_path) -> None:
    folder = add(tmp_path, "one")
    (folder / "preview.png").unlink()
    with pytest.raises(ResultError, match=r"world\.exr is damaged"):  # Blender would open it for its icon
        read_result(folder)
    (folder / "world.exr").write_bytes(exr())
    (result,) = list_results(tmp_path)
    assert result.preview == folder / "world.exr"


@pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="no named pipes; it would check that none is waited for"
)
@pytest.mark.parametrize("name", ["spec.json", "world.exr", "preview.png"])
def test_pipes_in_a_result_are_not_waited_for(tmp_path, name) -> None:
    folder = add(tmp_path, "one")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    add(tmp_path, "two")
    assert names(list_results(tmp_path)) == ["two"]


def test_a_result_of_a_newer_version_stays(tmp_path) -> None:
    broken(add(tmp_path, "new"), "field of tomorrow")
    (result,) = list_results(tmp_path)
    assert result.spec.prompt == "a meadow"


def test_a_deep_or_endless_record_hides_no_other_result(tmp_path) -> None:
    for name, text in (("deep", '{"spec":' * 988 + "1" + "}" * 988), ("long", '{"spec": {}}' + " " * 2**19)):
        (add(tmp_path, name) / "spec.json").write_text(text)
    add(tmp_path, "two")
    assert names(list_results(tmp_path)) == ["two"]
    assert len(broken_results(tmp_path)) == 2


def test_other_things_in_the_library_are_neither_results_nor_broken(tmp_path) -> None:
    add(tmp_path, ".half.partial")
    add(tmp_path, ".hidden")
    (tmp_path / "my textures").mkdir()
    (tmp_path / "my textures" / "wood.png").touch()
    (tmp_path / "engine.log").touch()
    assert list_results(tmp_path) == []
    assert broken_results(tmp_path) == []


def test_delete_removes_the_folder_and_nothing_else(tmp_path) -> None:
    add(tmp_path, "keep")
    folder = add(tmp_path, "drop")
    result = read_result(folder)
    delete_result(result)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keep"]
    delete_result(result)  # gone already


def test_delete_leaves_a_folder_alone_that_is_more_than_a_result(tmp_path) -> None:
    folder = add(tmp_path, "desktop")
    (folder / "photographs").mkdir()
    with pytest.raises(ResultError, match="by hand"):
        delete_result(read_result(folder))
    real = add(tmp_path / "elsewhere", "real")
    link = tmp_path / "link"
    link.symlink_to(real, target_is_directory=True)
    with pytest.raises(ResultError, match="by hand"):
        delete_result(read_result(link))
    assert names(list_results(tmp_path)) == ["link", "desktop"]
    assert (real / "world.exr").exists()


def test_delete_that_fails_says_so_and_leaves_the_result_whole(tmp_path, monkeypatch) -> None:
    folder = add(tmp_path, "one")

    def refuse(*_: object) -> None:
        raise PermissionError("in use")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(ResultError, match="in use"):
        delete_result(read_result(folder))
    assert names(list_results(tmp_path)) == ["one"]


def test_only_stale_partials_are_swept(tmp_path) -> None:
    def age(folder: Path, seconds: float) -> None:
        when = time.time() - seconds
        for path in (*folder.iterdir(), folder):
            os.utime(path, (when, when))

    for name in ("result", ".old.partial", ".new.partial", ".active.partial", ".old", "old.partial"):
        age(add(tmp_path, name), 2 * DAY_S)
    age(tmp_path / ".new.partial", DAY_S / 2)
    os.utime(tmp_path / ".active.partial" / "preview.png")  # a live picture was written just now
    (tmp_path / ".empty.partial").mkdir()
    age(tmp_path / ".empty.partial", 2 * DAY_S)
    (tmp_path / ".file.partial").touch()
    real = add(tmp_path / "elsewhere", "real")
    age(real, 2 * DAY_S)
    (tmp_path / ".link.partial").symlink_to(real, target_is_directory=True)
    assert sorted(path.name for path in sweep_partials(tmp_path)) == [".empty.partial", ".old.partial"]
    left = {path.name for path in tmp_path.iterdir()}
    assert {"result", ".new.partial", ".active.partial", ".old", "old.partial", ".link.partial"} <= left
    assert not {".old.partial", ".empty.partial"} & left
    assert (real / "world.exr").exists()


def test_the_folder_of_a_living_job_is_never_swept_and_that_of_a_dead_one_at_once(tmp_path) -> None:
    for name in (".alive.0.partial", ".dead.1.partial", ".resumable.2.partial", ".old.3.partial"):
        FolderLock(add(tmp_path, name)).release()
    for name in (".resumable.2.partial", ".old.3.partial"):
        (tmp_path / name / "checkpoint.safetensors").touch()
    living = FolderLock(tmp_path / ".alive.0.partial")
    for name in (".alive.0.partial", ".old.3.partial"):
        for path in (*(tmp_path / name).iterdir(), tmp_path / name):
            os.utime(path, (1.0, 1.0))  # the clock jumped
    assert sorted(path.name for path in sweep_partials(tmp_path)) == [".dead.1.partial", ".old.3.partial"]
    living.release()
    assert [path.name for path in sweep_partials(tmp_path)] == [".alive.0.partial"]
    assert sweep_partials(tmp_path) == []


def test_a_lock_that_lost_its_content_with_the_power_is_no_lock(tmp_path) -> None:
    for name in (".new.0.partial", ".lost.1.partial"):
        (add(tmp_path, name) / "lock").touch()
    then = time.time() - 120
    os.utime(tmp_path / ".lost.1.partial" / "lock", (then, then))
    assert [path.name for path in sweep_partials(tmp_path)] == [".lost.1.partial"]


@pytest.mark.slow
def test_a_thousand_results(tmp_path) -> None:
    for number in range(1000):
        add(tmp_path, f"r{number:04}", f"place {number}")
    assert len(list_results(tmp_path)) == 1000
    assert names(list_results(tmp_path, text="place 77"))[-1] == "r0077"
