# SPDX-License-Identifier: GPL-3.0-or-later
"""A still of a World's view as a plate of its own in the library."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..interface.durable import sync_folder
from ..interface.enlarging import plain_method
from ..interface.spec import SPEC_VERSION, EnvironmentSpec
from .history import IMAGE_NAMES, PREVIEW_NAME, SPEC_NAME, Result, read_result

STILL_SIZE = (2048, 1152)
PREVIEW_SIZE = (512, 288)


def keep_still(
    library: Path, source: Result, view: dict[str, Any], write: Callable[[Path, Path], None]
) -> Result:
    """Add a plate to the library and return it.

    Args:
        library: folder of the results.
        source: the World that is looked at.
        view: where; kept in the record.
        write: writes the picture and its preview to two paths.

    Raises:
        OSError: the library cannot be written; nothing is left there.
    """
    name = f"{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}-{secrets.randbelow(0x8000):04x}"
    part = library / f".{name}.still.partial"
    part.mkdir(parents=True)
    try:
        write(part / IMAGE_NAMES["plate"], part / PREVIEW_NAME)
        record = {
            "spec_version": SPEC_VERSION,
            "id": name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "spec": still_spec(source.spec).to_dict(),
            "timings": {},
            "still": {"of": source.id, **view},
        }
        text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
        (part / SPEC_NAME).write_text(text, encoding="utf-8")
        os.replace(part, library / name)
        sync_folder(library)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return read_result(library / name)


def still_spec(spec: EnvironmentSpec) -> EnvironmentSpec:
    """Return the spec of a World as that of a plate of its view."""
    width, height = STILL_SIZE
    return EnvironmentSpec(
        spec.prompt,
        negative=spec.negative,
        kind="plate",
        width=width,
        height=height,
        method=plain_method(spec.method, "plate"),
        model=spec.model,
        loras=spec.loras,
        seed=spec.seed,
    )
