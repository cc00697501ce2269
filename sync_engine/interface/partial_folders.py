# SPDX-License-Identifier: GPL-3.0-or-later
"""Partial folders: what a job has written so far, locked while its maker lives, swept by whoever comes next.

They are called ``.NAME.TOKEN.partial`` and lie beside the result they will be, or in it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LOCK_NAME, CHECKPOINT = "lock", "checkpoint."
CHECKPOINT_NAME = "checkpoint.safetensors"
"""What is kept of the steps; other files of the same beginning keep parts of the picture."""
STALE_PARTIAL_S = 24 * 3600.0
"""A partial folder without a lock that nobody has written to for so long belongs to no living job."""
MAKING_S = 60.0
"""An empty lock is one that is being made; an older one has lost its content with the power."""
RESUMABLE_S = 7 * 24 * 3600.0
"""An abandoned folder with a checkpoint is kept for so long: its job can go on."""

if os.name == "nt":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class FolderLock:
    """The lock of one folder, a file in it. On file systems without locks nobody holds any.

    Args:
        folder: it must be there.

    Raises:
        BlockingIOError, PermissionError: another process, or another lock of this one, has it.
        OSError: the file cannot be made, or there are no locks here.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = open(folder / LOCK_NAME, "ab")  # noqa: SIM115 (closed by release())
        try:
            _lock(self._file)
            if not self._file.tell():  # an empty file is a lock that is being made
                self._file.write(b"%d\n" % os.getpid())
                self._file.flush()
        except OSError:
            self._file.close()
            raise

    def release(self) -> None:
        """Give the lock back; twice does no harm."""
        with contextlib.suppress(OSError):
            self._file.close()


@contextlib.contextmanager
def folder_alone(folder: Path) -> Iterator[None]:
    """Wait until no other process of ours moves files into a folder (not on Windows: nothing waits there)."""
    if os.name == "nt":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def checkpoint_files(folder: Path) -> list[Path]:
    """Return what a job keeps in its partial folder to go on from, the newest first."""
    try:
        found = {path: path.stat().st_mtime for path in folder.iterdir() if path.name.startswith(CHECKPOINT)}
    except OSError:
        return []
    return sorted(found, key=found.__getitem__, reverse=True)


def is_abandoned(folder: Path) -> bool:
    """Tell whether a folder has a lock that nobody holds; False where that cannot be known."""
    try:
        lock = (folder / LOCK_NAME).stat()
        if not lock.st_size and lock.st_mtime > time.time() - MAKING_S:
            return False
        FolderLock(folder).release()
    except OSError:
        return False
    return True


def sweep_partials(library: Path, older_than_s: float = STALE_PARTIAL_S) -> list[Path]:
    """Remove the partial folders of jobs that died; return those that are gone.

    A folder with a lock goes as soon as nobody holds that (with a checkpoint a week later), and never
    before, whatever the clock says; one without (of an older version) once it is ``older_than_s``.
    """
    removed = []
    for folder in _hidden_folders(library):
        if not folder.is_symlink() and _may_be_swept(folder, older_than_s):
            shutil.rmtree(folder, ignore_errors=True)  # follows no link
            if not folder.exists():
                removed.append(folder)
    return removed


def _may_be_swept(folder: Path, older_than_s: float) -> bool:
    if not (folder / LOCK_NAME).exists():
        return _last_change(folder) < time.time() - older_than_s
    kept = checkpoint_files(folder) and _last_change(folder) > time.time() - RESUMABLE_S
    return not kept and is_abandoned(folder)


def _hidden_folders(library: Path) -> Iterator[Path]:
    try:
        with os.scandir(library) as entries:
            found = [Path(entry.path) for entry in entries if entry.name[0] == "." and entry.is_dir()]
    except OSError:
        return  # not there yet, or not readable
    yield from (folder for folder in found if folder.name.endswith(".partial"))


def _last_change(folder: Path) -> float:
    """Return the newest change in the folder; one that cannot be read counts as just changed."""
    try:
        return max(folder.stat().st_mtime, *(entry.stat().st_mtime for entry in folder.iterdir()), 0.0)
    except OSError:
        return time.time()
