# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that guides name: recorded by their hashes, small ones copied beside the result."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from sync_engine.interface.guides import Guide, copy_name, files_of

LARGEST_COPY = 4 * 2**20
"""Files up to so many bytes are copied."""


def keep_files(guides: tuple[Guide, ...], folder: Path) -> list[dict[str, Any]]:
    """Copy the guides' small files into a result's folder; return what its record says of all of them."""
    found = []
    for number, guide in enumerate(guides):
        for field, path in files_of(guide).items():
            about: dict[str, Any] = {"guide": number, "field": field, "file": path.name}
            with path.open("rb") as file:
                about["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
            if path.stat().st_size <= LARGEST_COPY:
                about["copy"] = copy_name(number, field, path)
                shutil.copyfile(path, folder / about["copy"])
            found.append(about)
    return found
