# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and memory of ``generate`` by width, each run in a process of its own, cold.

    python -m benchmarks.generate --out out/benchmarks

Writes ``generate.json`` and prints its table; ``--record`` puts it into ``docs/results.md``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import results

CASES = [
    ("plate", 1024, 256),
    ("plate", 2048, 256),
    ("plate", 4096, 256),
    ("world", 1024, 512),
    ("world", 2048, 1024),
    ("world", 4096, 2048),
    ("world", 8192, 4096),
]


def run(kind: str, width: int, height: int, method: str, out: Path) -> dict[str, float]:
    """Run one job and return its wall time, its timings per stage and its peak memory."""
    command = [sys.executable, "-m", "sync_engine", "generate", "--prompt", "sunset over a desert, clear sky"]
    options = {"kind": kind, "width": width, "height": height, "method": method, "seed": 7, "out": out}
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    record = json.loads((out / "spec.json").read_text())
    return {"wall": wall, "peak_memory_gb": record["engine"]["peak_memory_gb"], **record["timings"]}


def keep_for_page(rows: list[dict[str, Any]]) -> None:
    """Record the table and the curves of both methods for docs/results.md."""
    of = {(row["kind"], row["width"], row["method"]): row for row in rows}
    table, curves = [], []
    for kind, width, height in CASES:
        ours, plain = (of.get((kind, width, method)) for method in ("sync", "multidiffusion"))
        if ours and plain:
            figures = [f"{ours['wall']:.1f}", f"{plain['wall']:.1f}", f"{ours['denoise']:.1f}"]
            table.append([f"{kind} {width}×{height}", *figures, f"{ours['peak_memory_gb']:.2f}"])
    for kind, method in itertools.product(("plate", "world"), ("sync", "multidiffusion")):
        points = [
            (row["width"], round(row["wall"], 1)) for (k, _, m), row in of.items() if (k, m) == (kind, method)
        ]
        curves.append(
            {"label": f"{kind}s, {method}", "x": [x for x, _ in points], "y": [y for _, y in points]}
        )
    plot = {"file": "results-generate.svg", "title": "A whole job, cold, by width", "scale": "log"}
    results.record(
        "generate",
        order=10,
        title="A picture from nothing",
        claim="The bundled model: a 1024 World in under 60 s and 3 GB, memory nearly flat in width.",
        command="python -m benchmarks.generate --record",
        columns=["case", "sync: s", "multidiffusion: s", "sync: denoise s", "peak GiB"],
        rows=table,
        plots=[{**plot, "x": "width, pixels", "y": "seconds", "curves": curves}],
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--method", nargs="+", default=["sync", "multidiffusion"])
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    rows = []
    for kind, width, height in CASES:
        for method in options.method:
            runs = [run(kind, width, height, method, options.out / "job") for _ in range(options.repeat)]
            median = {name: statistics.median(r[name] for r in runs) for name in runs[0]}
            rows.append({"kind": kind, "width": width, "height": height, "method": method, **median})
            sys.stdout.write(
                f"| {kind} {width}×{height} | {method} | {median['wall']:.1f} | {median['denoise']:.1f} "
                f"| {median['decode']:.1f} | {median['peak_memory_gb']:.2f} |\n"
            )
            sys.stdout.flush()
    (options.out / "generate.json").write_text(json.dumps(rows, indent=2))
    if options.record:
        keep_for_page(rows)


if __name__ == "__main__":
    main()
