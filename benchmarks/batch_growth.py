# SPDX-License-Identifier: GPL-3.0-or-later
"""How a batch's own cost grows with its jobs: checking, planning, listing, resuming, the report.

    python -m benchmarks.batch_growth --out out/batch-growth.json --counts 1000,10000,100000

Results are folders with a record of a real one's length and two pictures of one pixel, as a finished batch
leaves them (``--bare``: empty folders, which is all that a batch itself looks at). Times are wall seconds and
this process's processor seconds, one run each.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.batch import resident_mb, write_jobs
from benchmarks.save_report import keep
from benchmarks.stand_in_engine import PIXEL
from sync_engine.batch.plan import Plan, write_plan
from sync_engine.batch.report import Report
from sync_engine.batch.shared_folder import SharedFolder
from sync_engine.batch.standing import Standing
from sync_engine.host.library import Library


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what a piece of work returns, and its seconds: ``wall`` and ``processor``."""
    wall, processor = time.perf_counter(), time.process_time()
    told = work()
    return told, {
        "wall": round(time.perf_counter() - wall, 3),
        "processor": round(time.process_time() - processor, 3),
    }


def fill(out: Path, plan: Plan, bare: bool) -> None:
    """Make a result for every job, or its folder alone."""
    for identity, spec in plan.fields():
        place = out / identity
        place.mkdir()
        if bare:
            continue
        for name in ("plate.png", "preview.png"):
            (place / name).write_bytes(PIXEL)
        (place / "spec.json").write_text(json.dumps({"spec_version": 1, "id": identity, "spec": spec}))


def measure(home: Path, count: int, bare: bool = False) -> dict[str, Any]:
    """Return the costs of a batch of ``count`` jobs that are all done."""
    jobs, out = home / "jobs.jsonl", home / "out"
    write_jobs(jobs, count)
    told: dict[str, Any] = {"jobs": count}
    path, told["check_and_plan"] = timed(lambda: write_plan(jobs, out / ".batch"))
    told["plan_bytes_a_job"] = round(path.stat().st_size / count)
    before = resident_mb(os.getpid())
    plan, told["read_plan"] = timed(lambda: Plan(path))
    told["plan_memory_bytes_a_job"] = round(1e6 * (resident_mb(os.getpid()) - before) / count)
    _, told["make_results"] = timed(lambda: fill(out, plan, bare))
    with SharedFolder(out) as folder:
        _, told["list_results"] = timed(folder.results)
        _, told["see_that_all_is_done"] = timed(lambda: Standing(plan.identities, folder).state())
        report = Report(plan, folder)
        _, told["report"] = timed(report.write)
    pages = list(out.glob("contact*.html"))
    told["contact_pages"] = len(pages)
    told["contact_bytes_a_job"] = round(sum(page.stat().st_size for page in pages) / count)
    told["json_bytes_a_job"] = round((out / "batch.json").stat().st_size / count)
    if not bare:
        _, told["open_as_library"] = timed(lambda: Library(out).refresh())
    return told


def in_words(reports: list[dict[str, Any]]) -> str:
    """Return the reports as a table, a column a count; times as wall / processor seconds."""
    heads = "".join(f" {report['jobs']:,} |" for report in reports)
    lines = [f"| |{heads}", "|---|" + "---|" * len(reports)]
    for name in reports[0]:
        if name == "jobs":
            continue
        cells = (report[name] for report in reports)
        shown = (f"{c['wall']:g} / {c['processor']:g} s" if isinstance(c, dict) else f"{c:,}" for c in cells)
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--counts", default="1000,10000,100000")
    parser.add_argument("--bare", action="store_true", help="results are empty folders")
    parser.add_argument("--home", type=Path, help="where the results go (default: a temporary folder)")
    options = parser.parse_args()
    reports: list[dict[str, Any]] = []
    for count in map(int, options.counts.split(",")):
        home = Path(tempfile.mkdtemp(prefix="batch-growth-", dir=options.home))
        try:
            reports.append(measure(home, count, options.bare))
        finally:
            shutil.rmtree(home, ignore_errors=True)
        keep(options.out, {"reports": reports}, in_words(reports))
    sys.stdout.write(in_words(reports))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
