# SPDX-License-Identifier: GPL-3.0-or-later
"""``make faults``: many seeds of every kind, and a row each of (tried, wrong) for docs/results.md.

python -m tests.faults.whole --seeds 100 --kills 200
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import record
from sync_engine.interface.spec import EnvironmentSpec
from tests.faults.kills import Kills
from tests.faults.trials import TRIALS
from tests.small_models import tiny


def many(trial: Callable, count: int, name: str) -> int:
    """Try so many seeds; return how many were wrong, each told on stderr."""
    wrong = 0
    for seed in range(count):
        folder = Path(tempfile.mkdtemp(prefix="faults-"))
        try:
            problem = trial(random.Random(seed), folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if problem is not None:
            wrong += 1
            sys.stderr.write(f"{name}, seed {seed}: {problem}\n")
    return wrong


def main() -> int:
    """Try everything and record it; exit status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="of each kind")
    parser.add_argument("--kills", type=int, default=200)
    options = parser.parse_args()
    rows, failed = [], 0
    for name, trial in TRIALS.items():
        wrong = many(trial, options.seeds, name)
        rows.append([name, str(options.seeds), str(wrong)])
        failed += wrong
    with tempfile.TemporaryDirectory() as folder:
        model = tiny.build(Path(folder) / "model")
        spec = EnvironmentSpec(
            "a",
            kind="plate",
            model=str(model),
            width=256,
            height=64,
            steps=6,
            seed=3,
            method="multidiffusion",
        )
        kills = Kills(spec, Path(folder))
        wrong = many(kills.trial, options.kills, "kill")
    moments = ", ".join(f"{count} in {stage}" for stage, count in sorted(kills.moments.items()))
    rows.append([f"job killed and asked for again: same pixels ({moments})", str(options.kills), str(wrong)])
    failed += wrong
    record(
        "faults",
        order=90,
        title="Before or after, never between",
        claim="Faults by seed, and how many ended wrong: a half result, a hang, a traceback, other pixels.",
        command=f"python -m tests.faults.whole --seeds {options.seeds} --kills {options.kills}",
        columns=["fault", "tried", "wrong"],
        rows=rows,
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
