# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are on the disk when they have their name: written beside, synced, renamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Give a name to write to; what lies there takes the real name at the end, or goes if an error came.

    Unique, so that two writers of one file do not meet; the last one to end wins, whole.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}-{os.urandom(3).hex()}.part{path.suffix}")
    try:
        yield part
        sync_file(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Return when a file's content is on the disk."""
    with path.open("r+b") as file:  # Windows flushes only what may be written
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Return when a folder's names are on the disk, where the system can tell (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems know no such thing
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
