# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished results: the folders of the library, read, listed and deleted."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..interface.bounded_json import read_json
from ..interface.picture_files import DamagedPicture, check_picture
from ..interface.spec import EnvironmentSpec, SpecError
from ..interface.wording import Message, as_message
from .trash import move_to_trash

IMAGE_NAMES = {"world": "world.exr", "plate": "plate.png"}
PREVIEW_NAME = "preview.png"
SPEC_NAME = "spec.json"


class ResultError(ValueError):
    """A folder cannot be used as a result.

    Attributes:
        folder: the folder.
        problem: what is wrong with it.
        message: both as one sentence.
    """

    def __init__(self, folder: Path, problem: str) -> None:
        self.folder, self.problem = folder, problem
        self.message = Message("{folder}: {problem}.", folder=folder, problem=as_message(problem))
        super().__init__(str(self.message))


@dataclass(frozen=True)
class Result:
    """One finished picture on disk.

    Attributes:
        id: the folder's name.
        folder: where the files lie.
        kind: ``world`` or ``plate``.
        image: ``world.exr`` or ``plate.png``.
        preview: a small PNG, or the image itself if the PNG is gone.
        spec: the full spec with its seed.
        created: ISO 8601 time with zone, empty if unknown.
        timings: seconds by stage.
        light: what a World's lights are and its exposure in EV; empty for a plate and if unknown.
    """

    id: str
    folder: Path
    kind: str
    image: Path
    preview: Path
    spec: EnvironmentSpec
    created: str
    timings: dict[str, Any]
    light: dict[str, Any] = field(default_factory=dict)


def read_result(folder: Path) -> Result:
    """Read one result; raise ResultError that says what is wrong with the folder."""
    record = _read_record(folder)
    try:
        spec = EnvironmentSpec.from_record(record.get("spec"))
    except SpecError as error:
        raise ResultError(
            folder,
            Message("{file} has a spec that cannot be used ({reason})", file=SPEC_NAME, reason=error.message),
        ) from error
    image = folder / IMAGE_NAMES[spec.kind]
    if not _has_content(image):
        raise ResultError(folder, Message("{file} is missing or empty", file=image.name))
    preview = folder / PREVIEW_NAME
    if not _has_content(preview):
        preview = image
        try:
            check_picture(image)  # Blender opens it for its icon
        except (DamagedPicture, OSError) as error:
            raise ResultError(
                folder, Message("{file} is damaged ({reason})", file=image.name, reason=error)
            ) from error
    created, timings, light = record.get("created"), record.get("timings"), record.get("light")
    return Result(
        id=folder.name,
        folder=folder,
        kind=spec.kind,
        image=image,
        preview=preview,
        spec=spec,
        created=created if isinstance(created, str) else "",
        timings=timings if isinstance(timings, dict) else {},
        light=light if isinstance(light, dict) else {},
    )


def list_results(library: Path, kind: str | None = None, text: str = "") -> list[Result]:
    """Return the library's results, newest first; folders that cannot be read are left out.

    Args:
        library: folder of the results; one that does not exist has none.
        kind: only ``world`` or only ``plate``.
        text: only results whose prompt or name contains every word of it, in any case.
    """
    words = text.casefold().split()
    found = []
    for folder in _result_folders(library):
        try:
            result = read_result(folder)
        except ResultError:
            continue  # broken_results() names it
        if matches(result, kind, words):
            found.append(result)
    return newest_first(found)


def matches(result: Result, kind: str | None, words: list[str]) -> bool:
    """Tell whether a result is of a kind (None: any) and its prompt or name has all words, casefolded."""
    searched = f"{result.spec.prompt} {result.id}".casefold()
    return kind in (None, result.kind) and all(word in searched for word in words)


def newest_first(results: Iterable[Result]) -> list[Result]:
    """Return results sorted by the time they were made, then by name."""
    return sorted(results, key=lambda result: (_seconds(result.created), result.id), reverse=True)


def result_names(library: Path) -> list[str]:
    """Return the names of all folders that may hold a result, without looking into them."""
    return [folder.name for folder in _folders(library) if not folder.name.startswith(".")]


def broken_results(library: Path) -> list[ResultError]:
    """Return what is wrong with each folder that holds part of a result but is not one."""
    broken = []
    for folder in _result_folders(library):
        try:
            read_result(folder)
        except ResultError as error:
            broken.append(error)
    return broken


def trash_result(result: Result) -> None:
    """Move a result to the system's trash.

    Raises:
        TrashError: there is no trash for that disk; ``delete_result`` still works.
        ResultError: the folder holds more than a result.
    """
    try:
        if not _may_go(result.folder):
            return
    except OSError as error:
        raise ResultError(result.folder, Message("cannot be deleted ({reason})", reason=error)) from error
    move_to_trash(result.folder)


def delete_result(result: Result) -> None:
    """Remove a result from the disk for good; raise ResultError if that cannot be done.

    The folder is renamed first, so that no half of it is ever listed. A folder with folders in
    it is not only a result and is left alone.
    """
    folder = result.folder
    try:
        if not _may_go(folder):
            return
        doomed = folder.with_name(f".{folder.name}.deleted.partial")
        os.replace(folder, doomed)
    except OSError as error:
        raise ResultError(folder, Message("cannot be deleted ({reason})", reason=error)) from error
    shutil.rmtree(doomed, ignore_errors=True)  # what is left is swept later


def _may_go(folder: Path) -> bool:
    """Tell whether there is a folder to delete; raise ResultError if it is not only a result."""
    if not folder.exists():
        return False
    if folder.is_symlink() or any(entry.is_dir() for entry in folder.iterdir()):
        raise ResultError(folder, "holds more than a result. Delete it by hand if you want to")
    return True


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / SPEC_NAME
    try:
        record = read_json(path)
    except FileNotFoundError as error:
        raise ResultError(folder, Message("{file} is missing", file=SPEC_NAME)) from error
    except OSError as error:
        raise ResultError(
            folder, Message("{file} cannot be read ({reason})", file=SPEC_NAME, reason=error)
        ) from error
    except ValueError as error:
        raise ResultError(
            folder, Message("{file} is not JSON ({reason})", file=SPEC_NAME, reason=error)
        ) from error
    if not isinstance(record, dict):
        raise ResultError(folder, Message("{file} is not a JSON object", file=SPEC_NAME))
    return record


def _folders(library: Path) -> Iterator[Path]:
    try:
        with os.scandir(library) as entries:
            folders = [Path(entry.path) for entry in entries if entry.is_dir()]
    except OSError:
        return  # not there yet, or not readable: no results
    yield from folders


def _result_folders(library: Path) -> Iterator[Path]:
    """Yield the folders that hold a result or a part of one; other folders are none of ours."""
    parts = (SPEC_NAME, *IMAGE_NAMES.values())
    for folder in _folders(library):
        if not folder.name.startswith(".") and any(os.path.exists(folder / name) for name in parts):
            yield folder


def _has_content(path: Path) -> bool:
    try:
        about = path.stat()
        return stat.S_ISREG(about.st_mode) and about.st_size > 0
    except OSError:
        return False


def _seconds(created: str) -> float:
    try:
        when = datetime.fromisoformat(created)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
