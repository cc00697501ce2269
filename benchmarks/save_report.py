# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what a benchmark has so far, so that a run may be stopped at any time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def keep(out: Path, report: dict[str, Any], words: str) -> None:
    """Write a report as ``out`` and its tables beside it with the ending ``.md``; never half a file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, text in ((out, json.dumps(report, indent=2)), (out.with_suffix(".md"), words)):
        part = path.with_name(f"{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
