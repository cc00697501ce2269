# SPDX-License-Identifier: GPL-3.0-or-later
"""Real jobs of the draft model on several workers against one process: wall and processor time.

    python -m benchmarks.batch_workers --out out/batch-workers.json --pairs 2

Each pair is the same sixteen plates made by ``batch`` with one worker that has all cores, and by several that
share them, in turns, so that a change of the machine's load meets both. ``--threads`` gives workers another
number of threads than their share. Starts and loads are in the times, as a user has them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.save_report import keep

ROOT = Path(__file__).parents[1]


def write_jobs(path: Path, count: int, width: int) -> Path:
    """Write JSON lines of plates of the draft model with the seeds 1 to ``count``."""
    fields = {"prompt": "misty forest at dawn", "kind": "plate", "width": width, "height": 256}
    path.write_text("".join(json.dumps({**fields, "seed": seed}) + "\n" for seed in range(1, count + 1)))
    return path


def measure(jobs: Path, out: Path, workers: int, threads: int) -> dict[str, Any]:
    """Make all jobs with so many workers; return wall and processor seconds, and how many results there are.

    Args:
        jobs: a file of jobs.
        out: a folder that is not there.
        workers: processes at a time.
        threads: of each; 0: its share of the cores.
    """
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "sync_engine", "batch", str(jobs), "--out", str(out)]
    subprocess.run([*command, "--workers", str(workers)], cwd=ROOT, env=environment, check=True)
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "workers": workers,
        "wall_s": round(wall, 1),
        "processor_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "results": sum(1 for path in out.iterdir() if (path / "spec.json").is_file()),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=2)
    options = parser.parse_args()
    runs: list[dict[str, Any]] = []
    home = Path(tempfile.mkdtemp(prefix="batch-workers-"))
    try:
        jobs = write_jobs(home / "jobs.jsonl", options.count, options.width)
        for pair in range(options.pairs):
            counts = [1, options.workers] if pair % 2 == 0 else [options.workers, 1]
            for workers in counts:
                threads = options.threads if workers > 1 else 0
                runs.append(measure(jobs, home / f"out-{len(runs)}", workers, threads))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    walls, processors = (
        [[run[name] for run in runs if run["workers"] == workers] for workers in (1, options.workers)]
        for name in ("wall_s", "processor_s")
    )
    told = {
        "jobs": options.count,
        "width": options.width,
        "cores": os.cpu_count(),
        "threads_a_worker": options.threads or max(1, (os.cpu_count() or 1) // options.workers),
        "runs": runs,
        "wall_ratio": round(statistics.median(walls[1]) / statistics.median(walls[0]), 3),
        "processor_ratio": round(statistics.median(processors[1]) / statistics.median(processors[0]), 3),
    }
    words = "".join(f"| {name} | {value} |\n" for name, value in told.items() if name != "runs")
    keep(options.out, told, f"| | |\n|---|---|\n{words}")
    sys.stdout.write(words)
    return 0 if all(run["results"] == options.count for run in runs) else 1


if __name__ == "__main__":
    raise SystemExit(main())
