# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that were not finished: those that waited, kept in the library, and those that left a checkpoint.

Each Blender keeps its open jobs in ``.queue.TOKEN`` of the library, locked while it lives. What another left
behind, and the partial folders that dead or cancelled jobs go on from, are offered again for a week.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..interface.bounded_json import load_json, read_json
from ..interface.partial_folders import (
    LOCK_NAME,
    RESUMABLE_S,
    FolderLock,
    checkpoint_files,
    is_abandoned,
)
from ..interface.picture_files import open_regular
from ..interface.spec import EnvironmentSpec, SpecError

PREFIX = ".queue."
MOST_HEADER = 2**18
"""A checkpoint's header is no longer: names of tensors, and the spec."""


@dataclass(frozen=True)
class Unfinished:
    """A job that can be asked for again.

    Attributes:
        id: the job's name, and its result's.
        spec: the job; with its seed where it had begun.
        begun: whether there is something that it goes on from.
        left_at: when it was last worked on, seconds since the epoch.
        places: the files and folders that keep it.
    """

    id: str
    spec: EnvironmentSpec
    begun: bool
    left_at: float
    places: tuple[Path, ...]


class KeptQueue:
    """The open jobs of this process on the disk, so that its death does not lose them.

    Where the library cannot be written or knows no locks nothing is kept: the jobs themselves go on.
    """

    def __init__(self, library: Path) -> None:
        self._library = library
        self._folder: Path | None = None
        self._lock: FolderLock | None = None
        self.jobs: set[str] = set()

    def keep(self, job_id: str, spec: EnvironmentSpec) -> None:
        """Write a job down. Not synced: this is against the death of programs, and must take no time."""
        with contextlib.suppress(OSError):
            folder = self._own_folder()
            part = folder / f".{job_id}.part"
            part.write_text(json.dumps({"spec": spec.to_dict()}), encoding="utf-8")
            os.replace(part, folder / f"{job_id}.json")
            self.jobs.add(job_id)

    def drop(self, job_id: str) -> None:
        """Forget a job: it is done, or nobody wants it any more."""
        if job_id not in self.jobs or self._folder is None:
            return
        self.jobs.discard(job_id)
        with contextlib.suppress(OSError):
            (self._folder / f"{job_id}.json").unlink(missing_ok=True)

    def leave(self) -> None:
        """Let go of the jobs that are still written down: whoever comes next may offer them."""
        if self._lock is not None:
            self._lock.release()
        if self._folder is not None and not self.jobs:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder, self._lock = None, None
        self.jobs.clear()

    def _own_folder(self) -> Path:
        if self._folder is None:
            folder = self._library / f"{PREFIX}{os.urandom(4).hex()}"
            folder.mkdir(parents=True)
            try:
                self._lock = FolderLock(folder)
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self._folder = folder
        return self._folder


def unfinished_jobs(library: Path) -> tuple[Unfinished, ...]:
    """Return what can be asked for again, the newest first; what cannot be read is left out.

    A job that has a result, and one that a living process has, is not among them.
    """
    found: dict[str, Unfinished] = {}
    for folder in _hidden(library, PREFIX):
        if is_abandoned(folder):
            for path in sorted(folder.glob("*.json")):
                _add(found, _waiting(path))
    for folder in _hidden(library, "."):
        if folder.name.endswith(".partial") and is_abandoned(folder):
            _add(found, _interrupted(folder))
    left = [job for job in found.values() if not (library / job.id).exists()]
    return tuple(sorted(left, key=lambda job: (job.left_at, job.id), reverse=True))


def discard(job: Unfinished) -> None:
    """Remove what is kept of a job; OSError where that cannot be."""
    for place in job.places:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def sweep_queues(library: Path) -> None:
    """Remove the queues of dead processes that are empty, and jobs in them that are a week old."""
    for folder in _hidden(library, PREFIX):
        if not is_abandoned(folder):
            continue
        with contextlib.suppress(OSError):
            for path in folder.iterdir():
                if path.name != LOCK_NAME and path.stat().st_mtime < time.time() - RESUMABLE_S:
                    path.unlink()
            if all(path.name == LOCK_NAME for path in folder.iterdir()):
                shutil.rmtree(folder)


def _add(found: dict[str, Unfinished], job: Unfinished | None) -> None:
    if job is None or time.time() - job.left_at > RESUMABLE_S:
        return
    before = found.get(job.id)
    if before is None:
        found[job.id] = job
        return
    better = job if job.begun else before
    places = (*before.places, *job.places)
    found[job.id] = Unfinished(job.id, better.spec, better.begun, better.left_at, places)


def _waiting(path: Path) -> Unfinished | None:
    try:
        record = read_json(path)
        spec = EnvironmentSpec.from_record(record.get("spec") if isinstance(record, dict) else None)
        return Unfinished(path.stem, spec, False, path.stat().st_mtime, (path,))
    except (OSError, ValueError, SpecError):
        return None


def _interrupted(folder: Path) -> Unfinished | None:
    name = folder.name[1:].rsplit(".", 2)[0]
    for path in checkpoint_files(folder):
        try:
            spec = EnvironmentSpec.from_json(_key_of(path)["spec"])
            return Unfinished(name, spec, True, path.stat().st_mtime, (folder,))
        except (OSError, ValueError, KeyError, TypeError, SpecError):
            continue
    return None


def _key_of(path: Path) -> Any:
    """Return what a checkpoint says it is of, from its header (``runtime/checkpoint.py`` writes it)."""
    with open_regular(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MOST_HEADER:
            raise ValueError("the header is too long")
        header = load_json(file.read(length))
    return load_json(header["__metadata__"]["key"].encode())


def _hidden(library: Path, prefix: str) -> list[Path]:
    try:
        with os.scandir(library) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
