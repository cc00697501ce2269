# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of jobs for the tests of batches, and processes that work on them with a stand-in for the engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.stand_in_engine import VARIABLE

ROOT = Path(__file__).parents[2]


def write_jobs(path: Path, count: int, **fields: object) -> Path:
    """Write JSON lines of plates with the seeds 1 to ``count``."""
    lines = (
        json.dumps({"prompt": f"place {seed % 37}", "kind": "plate", "seed": seed, **fields})
        for seed in range(1, count + 1)
    )
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


class StandIns:
    """Processes of the batch command with a stand-in, on one file of jobs and one folder."""

    def __init__(self, home: Path, jobs: Path, **settings: object) -> None:
        self.out, self.jobs, self._executions = home / "out", jobs, home / "executions"
        told = {"executions": str(self._executions), "seconds": 0.002, **settings}
        self._environment = os.environ | {VARIABLE: json.dumps(told)}

    def start(self, *options: str) -> subprocess.Popen:
        """Start one more process."""
        command = [sys.executable, "-m", "benchmarks.stand_in_engine", str(self.jobs), "--out", str(self.out)]
        return subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env=self._environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def results(self) -> list[str]:
        """Return the names of the results that are there."""
        if not self.out.is_dir():
            return []
        return sorted(path.name for path in self.out.iterdir() if path.is_dir() and path.name != ".batch")

    def executions(self) -> Counter[str]:
        """Return how often each job was begun."""
        return Counter(self._executions.read_text().split()) if self._executions.exists() else Counter()

    def report(self) -> list[dict]:
        """Return ``batch.json``."""
        return json.loads((self.out / "batch.json").read_text())
