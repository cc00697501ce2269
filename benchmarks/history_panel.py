# SPDX-License-Identifier: GPL-3.0-or-later
"""What a long history costs: reading the library, and drawing the panel in a real Blender window.

    python -m benchmarks.history_panel --counts 10 1000

Makes libraries of so many results, opens Blender on each and times the panel's ``draw`` (processor and
wall time of the main thread) while the window is redrawn, the first draw of the session for itself.
Needs ``make zip`` and ``tests/ui/rootfs.sh build``; without them only the reading is measured.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from sync_engine.host.library import Library
from sync_engine.interface.spec import EnvironmentSpec
from tests.ui.extension import not_here, opened
from tests.ui.window import REPO

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)
REDRAWS = 40


def make_library(folder: Path, count: int, picture: bytes = PIXEL) -> None:
    """Write ``count`` results with a preview and an image of a few bytes."""
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(count):
        result = folder / f"20260101-{number // 3600:02}{number // 60 % 60:02}{number % 60:02}-{number:04x}"
        result.mkdir(parents=True)
        spec = EnvironmentSpec(f"place {number} under a clear sky", width=1024, seed=number)
        created = f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}+00:00"
        record = {"spec": spec.to_dict(), "id": result.name, "created": created, "timings": {"total": 9.0}}
        (result / "spec.json").write_text(json.dumps(record), encoding="utf-8")
        (result / "world.exr").write_bytes(b"picture")
        (result / "preview.png").write_bytes(picture)


def reading(folder: Path) -> dict[str, float]:
    """Return milliseconds: all results at once, one step of 3 ms at its worst, and a look at no change."""
    started = time.perf_counter()
    library = Library(folder)
    library.refresh()
    whole = time.perf_counter() - started
    steps, library = [], Library(folder)
    while not library.complete:
        started = time.perf_counter()
        library.refresh(0.003)
        steps.append(time.perf_counter() - started)
    again = []
    for _ in range(50):
        started = time.perf_counter()
        library.refresh(0.0)
        again.append(time.perf_counter() - started)
    seconds = {"read_all": whole, "step_worst": max(steps), "step_median": statistics.median(steps)}
    seconds["look"] = statistics.median(again)
    return {name: round(1000 * value, 3) for name, value in seconds.items()}


def drawing(folder: Path, user: Path, suite: str) -> dict[str, Any]:
    """Return milliseconds of the panel's draws in a window: the first, the median and the worst."""
    with opened(suite, user, fake=True) as window:
        window.run("time_draws(bpy.types.VIEW3D_PT_syncscape_history)")
        window.run(f"preferences.library = {str(folder)!r}")
        window.run("clear_times()")
        for _ in range(REDRAWS):
            window.run("[region.tag_redraw() for region in view()['area'].regions]")
            time.sleep(0.2)
        window.wait_until("link.library().complete", timeout=120)
        draws = window.run("draws")
    (first_wall, first), *others = draws
    busy = [processor for _wall, processor in others]
    seconds = {
        "first": first,
        "median": statistics.median(busy),
        "worst": max(busy),
        "first_wall": first_wall,
    }
    seconds["median_wall"] = statistics.median(wall for wall, _processor in others)
    return {name: round(1000 * value, 3) for name, value in seconds.items()} | {"draws": len(draws)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--out", type=Path, default=REPO / "out" / "benchmarks")
    parser.add_argument("--suite", default="trixie")
    options = parser.parse_args()
    rows = []
    reason = not_here(options.suite)
    for count in options.counts:
        folder = options.out / f"library-{count}"
        make_library(folder, count)
        row = {"results": count, "reading_ms": reading(folder)}
        if reason is None:
            row["drawing_ms"] = drawing(folder, options.out / "user", options.suite)
        rows.append(row)
        sys.stdout.write(f"{json.dumps(row)}\n")
        sys.stdout.flush()
    if reason is not None:
        sys.stdout.write(f"The drawing was not measured: {reason}.\n")
    elif len(rows) > 1:
        ratio = rows[-1]["drawing_ms"]["median"] / rows[0]["drawing_ms"]["median"]
        sys.stdout.write(f"median draw, {options.counts[-1]} to {options.counts[0]} results: {ratio:.2f}\n")
    (options.out / "history_panel.json").write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
