# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock files: which packages, by hash, an environment is built from on a platform."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..interface.wording import Message
from .platforms import NAMES
from .problems import SETTINGS, SetupFailed

MARK = "# syncscape-lock "
"""Begins the first line of a lock file; what follows is JSON."""
OWN_HINT = Message(
    "Name a Python that has torch under “Use my own environment” in {setting}.", setting=SETTINGS
)


@dataclass(frozen=True)
class Lock:
    """One lock file.

    Attributes:
        torch: version of torch.
        index: where torch's build is; empty: PyPI.
        pythons: the versions of Python that it has wheels for, e.g. ``("3.11", "3.13")``.
        download_mb, disk_mb: measured when it was made, in megabytes of 10⁶ bytes.
        digest: SHA-256 of the file.
    """

    path: Path
    platform: str
    accelerator: str
    torch: str
    index: str
    pythons: tuple[str, ...]
    download_mb: int
    disk_mb: int
    digest: str

    @property
    def server(self) -> str:
        """The name of the server that most of it comes from."""
        return "download.pytorch.org" if "pytorch.org" in self.index else "PyPI"


def read_lock(path: Path) -> Lock:
    """Read a lock file. Raises ValueError if it is none."""
    data = path.read_bytes().replace(b"\r\n", b"\n")
    first = data.split(b"\n", 1)[0].decode("utf-8")
    if not first.startswith(MARK):
        raise ValueError(f"{path} does not begin with {MARK!r}")
    told = json.loads(first.removeprefix(MARK))
    told["pythons"] = tuple(told["pythons"])
    return Lock(path=path, digest=hashlib.sha256(data).hexdigest(), **told)


def locks_in(folder: Path) -> list[Lock]:
    """Return all lock files of a folder, by name."""
    return [read_lock(path) for path in sorted(folder.glob("*-*-*.txt"))]


def choose(folder: Path, platform: str, accelerator: str, python: str, detected: str) -> Lock:
    """Return the lock to build from.

    Args:
        folder: of the lock files.
        platform: in Blender's words.
        accelerator: the wanted one, or ``auto`` for ``detected`` or, without a lock for that, the
            next best: every build of torch also runs on the processor.
        python: the version of the environment's Python, e.g. ``3.11``.
        detected: what the machine has.

    Raises:
        SetupFailed: there is none.
    """
    here = [lock for lock in locks_in(folder) if lock.platform == platform]
    if not here and platform == "macos-x64":
        raise SetupFailed("PyTorch has made nothing for Intel Macs since version 2.2.", OWN_HINT)
    if not here:
        raise SetupFailed(
            Message("PyTorch has no build for this system ({platform}).", platform=platform), OWN_HINT
        )
    fitting = [lock for lock in here if python in lock.pythons]
    if not fitting:
        known = ", ".join(sorted({version for lock in here for version in lock.pythons}))
        raise SetupFailed(
            Message(
                "There are no packages for Python {python}, only for {known}.", python=python, known=known
            ),
            Message("Name such a Python as Base Python in {setting}.", setting=SETTINGS),
        )
    order = [accelerator] if accelerator != "auto" else [detected, "cpu", "cuda"]
    for name in order:
        found = next((lock for lock in fitting if lock.accelerator == name), None)
        if found is not None:
            return found
    others = ", ".join(lock.accelerator for lock in fitting)
    raise SetupFailed(
        Message(
            "This version of Syncscape has no lock file for {name} ({accelerator}) on {platform} "
            "with Python {python}.",
            name=Message(NAMES.get(accelerator, accelerator)),
            accelerator=accelerator,
            platform=platform,
            python=python,
        ),
        Message(
            "Choose {others} or Automatic in {setting}, or use your own environment.",
            others=others,
            setting=SETTINGS,
        ),
    )
