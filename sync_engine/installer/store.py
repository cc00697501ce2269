# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of the environment: what lies in it, and which part of it counts.

    engine/
      current.json     names the environment in use; written whole, and only when that one works
      env-2/           a virtual environment; it is built where it stays, since it cannot be moved
      env-2.building   beside one that is not ready, or was interrupted
      cache/ bin/      uv's downloads while building, and uv
      setup.log        what uv and doctor have written

At any moment either ``current.json`` names an environment that was whole when it was written, or
there is none. Everything that it does not name can be thrown away.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..interface.wording import Message
from .problems import SetupFailed
from .uv import program_of

MARK = ".building"


@dataclass(frozen=True)
class Current:
    """The environment in use.

    Attributes:
        name: of its folder.
        lock: digest of the lock file that it was built from.
        platform, accelerator: of that lock file.
        python: version of its Python.
        report: what ``doctor`` said when it was ready.
    """

    name: str
    lock: str
    platform: str
    accelerator: str
    python: str
    report: dict[str, Any] = field(default_factory=dict)


class Store:
    """The folder and its parts; nothing in it is made before it is needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.programs = folder / "bin"
        self.log = folder / "setup.log"
        self._pointer = folder / "current.json"

    def current(self) -> Current | None:
        """Return the environment in use; None if there is none, or what names it is damaged."""
        try:
            told = json.loads(self._pointer.read_text(encoding="utf-8"))
            found = Current(**told)
            plain = Path(found.name).name == found.name and found.name.startswith("env-")
        except (OSError, ValueError, TypeError):
            return None
        return found if plain else None

    def python(self) -> Path | None:
        """Return the Python of the environment in use, whether it is there or not."""
        found = self.current()
        return program_of(self.folder / found.name) if found else None

    def is_partial(self) -> bool:
        """Whether an environment was begun and not finished."""
        return any(self.folder.glob(f"env-*{MARK}"))

    def weight(self) -> int:
        """Return what is kept of earlier downloads, in bytes."""
        return sum(path.lstat().st_size for path in self.cache.rglob("*") if path.is_file())

    def begin(self) -> Path:
        """Return the folder of a new environment, marked as unfinished; leftovers of others go."""
        self.folder.mkdir(parents=True, exist_ok=True)
        current = self.current()
        number = int(current.name.partition("-")[2]) + 1 if current else 1
        for path in self._others():
            _delete(path)
        while (self.folder / f"env-{number}").exists():  # one that is in use somewhere stays
            number += 1
        folder = self.folder / f"env-{number}"
        folder.with_name(folder.name + MARK).touch()
        return folder

    def switch(self, new: Current) -> None:
        """Make a finished environment the one in use. A power cut leaves the old one or the new."""
        if hasattr(os, "sync"):
            os.sync()  # its files first: the pointer must not get to the disk before them
        part = self._pointer.with_suffix(".part")
        with open(part, "w", encoding="utf-8") as file:
            json.dump(asdict(new), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self._pointer)
        (self.folder / (new.name + MARK)).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete what is not needed any more: older environments, downloads. What is in use stays."""
        for path in (*self._others(), self.cache):
            _delete(path)

    def remove(self) -> None:
        """Delete everything, the folder too, and its parent if that is empty then.

        Raises SetupFailed if something cannot be deleted.
        """
        self._pointer.unlink(missing_ok=True)
        _delete(self.folder)
        if self.folder.exists():
            left = next((path for path in self.folder.rglob("*") if not path.is_dir()), self.folder)
            raise SetupFailed(
                Message("{left} cannot be deleted.", left=left),
                "Close other Blenders that use the engine, then press Remove again.",
            )
        with suppress(OSError):  # a library of results may lie there
            self.folder.parent.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other Blenders from building here. Raises SetupFailed if one does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "a+b") as file:
            try:
                _lock_file(file.fileno())
            except OSError:
                raise SetupFailed(
                    "Another Blender is setting up the engine.", "Wait for it, or close it."
                ) from None
            yield

    def _others(self) -> list[Path]:
        current = self.current()
        keep = current.name if current else None
        return [path for path in self.folder.glob("env-*") if path.name != keep]


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)  # Windows keeps files that are in use
    else:
        with suppress(OSError):
            path.unlink()


def _lock_file(number: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
