# SPDX-License-Identifier: GPL-3.0-or-later
"""The sun of a World that the engine made throws a shadow: here in Cycles, in ``tests/ui`` in EEVEE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import Blender

expanding = pytest.importorskip("sync_engine.radiance.expand", reason="needs the engine's packages")
from sync_engine.runtime.output import write_exr  # noqa: E402
from tests.small_models.pictures import sky  # noqa: E402

SUN = np.array((0.55, 0.45, 0.7)) / np.linalg.norm((0.55, 0.45, 0.7))


def worlds(folder: Path) -> dict[str, Any]:
    """Write a clear day twice, with its sun given back and as it was painted; return files and lights."""
    given: dict[str, Any] = {"sun": None, "ldr": None}
    for name in given:
        made = expanding.expand(sky(tuple(SUN)), ldr=name == "ldr")
        write_exr(folder / f"{name}.exr", made.radiance, {})
        given[name] = {"file": str(folder / f"{name}.exr"), "light": made.report}
    assert given["sun"]["light"]["lights"][0]["kind"] == "sun"
    return given


def test_the_sun_throws_a_shadow_in_cycles(blender: Blender, tmp_path: Path, record_property) -> None:
    told = blender.run("sun_shadow", toward=SUN.tolist(), **worlds(tmp_path))
    for name, value in told.items():
        record_property(name, value)
    assert told["sun"] < 0.75
    assert told["sun"] < told["ldr"] - 0.15, "the painted sky alone throws a weaker one"
    assert abs(told["found"] - 1.0) < 0.1, "the light of eight samples is that of many"
    assert told["found without"] < 0.8, "importance sampling is what finds the sun"
