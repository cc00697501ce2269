# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch costs beside its pictures, and whether every job is there once after processes were killed.

    python -m benchmarks.batch --out out/batch.json                  # 10,000 jobs of 5 ms, two processes
    python -m benchmarks.batch --out out/killed.json --kill-every 200
    python -m benchmarks.batch --out out/ray.json --processes 1 --on ray     # two actors, one driver
    python -m benchmarks.batch --out out/rk.json --processes 1 --kill-every 200 --kill-drivers 3 --on ray

The engine is a stand-in (``stand_in_engine``); one job in 500 always fails. The processes are independent
``batch`` commands on one folder. Wall time per job and process, less the stand-in's own, is the overhead; the
processor's time tells the same on a busy machine. A killed process is replaced by a new one at once. On Ray
what is killed is an actor, which the driver replaces; ``--kill-drivers`` kills the driver so many times too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from benchmarks.live_preview import processor_seconds
from benchmarks.save_report import keep
from benchmarks.stand_in_engine import VARIABLE
from sync_engine.batch.shared_folder import ATTEMPTS, HIDDEN

ROOT = Path(__file__).parents[1]
STALE_AFTER_S = 5.0
ACTORS = 2
"""What Ray starts where there is no GPU."""
SETTLED_AFTER = 1000
"""Jobs until a process has the memory that it needs."""


def write_jobs(path: Path, count: int) -> None:
    """Write JSON lines of plates with the seeds 1 to ``count``."""
    with path.open("w", encoding="utf-8") as file:
        for seed in range(1, count + 1):
            file.write(json.dumps({"prompt": f"place {seed % 97}", "kind": "plate", "seed": seed}) + "\n")


def resident_mb(pid: int) -> float:
    """Return a process's resident memory in MB; 0 where that cannot be told."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def actors_of(driver: int) -> list[psutil.Process]:
    """Return the processes of the actors that a driver of Ray has started on this machine."""
    try:
        below = psutil.Process(driver).children(recursive=True)
        return sorted(
            (child for child in below if child.name().startswith("ray::Worker")), key=lambda c: c.pid
        )
    except psutil.Error:
        return []


def _pid(process: psutil.Process) -> int:
    return process.pid


class Fleet:
    """Processes on one file of jobs and one folder, killed and replaced on demand.

    Args:
        home: an empty folder.
        count: of jobs.
        processes: at a time.
        seconds: that the stand-in takes a job.
        fail_every: every so many jobs one that always fails.
        options: more options of the command.
    """

    def __init__(
        self, home: Path, count: int, processes: int, seconds: float, fail_every: int, options: list[str]
    ) -> None:
        self.jobs, self.out, self._executions = home / "jobs.jsonl", home / "out", home / "executions"
        self.count, self._fail_every, self._options = count, fail_every, options
        write_jobs(self.jobs, count)
        settings = {"seconds": seconds, "fail_every": fail_every, "executions": str(self._executions)}
        self._environment = os.environ | {VARIABLE: json.dumps(settings)}
        self._log = (home / "log").open("wb")
        self.begun = time.monotonic()
        self.running = [self._start() for _ in range(processes)]
        self.memory: dict[int, list[float]] = {}
        self.processor_s: dict[int, float] = {}
        self.kills, self.driver_kills = 0, 0
        self._on_ray = "--on" in options

    def _start(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "benchmarks.stand_in_engine", str(self.jobs), "--out", str(self.out)]
        command += ["--stale-after", str(STALE_AFTER_S), *self._options]
        return subprocess.Popen(command, cwd=ROOT, env=self._environment, stderr=self._log)

    def results(self) -> int:
        """Return how many results there are."""
        if not self.out.is_dir():
            return 0
        with os.scandir(self.out) as entries:
            return sum(1 for entry in entries if entry.is_dir() and not entry.name.startswith("."))

    def watch(self, kill_every: int, kill_drivers: int = 0) -> None:
        """Wait for the end.

        Args:
            kill_every: so many results a process is killed, in turns, or an actor of Ray (0: never).
            kill_drivers: how often a driver of Ray is killed, spread over the batch.
        """
        next_kill, next_driver = kill_every, self.count // (kill_drivers + 1)
        expected = self.count - (self.count // self._fail_every if self._fail_every else 0)
        self.first_at = self.last_at = self.begun
        while any(process.poll() is None for process in self.running):
            time.sleep(0.25)
            done = self.results()
            if not done:
                self.first_at = time.monotonic()
            if done < expected:
                self.last_at = time.monotonic()
            for process in self.running:
                if process.poll() is None:
                    self.processor_s[process.pid] = processor_seconds(process.pid)
                    if SETTLED_AFTER <= done < expected:  # not while it ends and gives its memory back
                        self.memory.setdefault(process.pid, []).append(resident_mb(process.pid))
            if kill_every and done >= next_kill:
                next_kill += kill_every
                if self._on_ray:
                    self._kill_an_actor()
                else:
                    self._kill(self.kills % len(self.running))
            if kill_drivers and self.driver_kills < kill_drivers and done >= next_driver:
                next_driver += self.count // (kill_drivers + 1)
                self.driver_kills += 1
                self._kill(0)
                self.kills -= 1
        self.wall_s = time.monotonic() - self.begun

    def _kill(self, number: int) -> None:
        if self.running[number].poll() is None:
            self.running[number].kill()
            self.running[number].wait()
            self.kills += 1
            self.running[number] = self._start()

    def _kill_an_actor(self) -> None:
        actors = actors_of(self.running[0].pid)
        if actors:
            actors[self.kills % len(actors)].kill()
            self.kills += 1

    def report(self, seconds: float) -> dict[str, Any]:
        """Return what was measured, and whether every job is where it belongs."""
        entries = json.loads((self.out / "batch.json").read_text(encoding="utf-8"))
        states = Counter(entry["state"] for entry in entries)
        there = {path.name for path in self.out.iterdir() if path.is_dir() and path.name != HIDDEN}
        failed = {entry["identity"] for entry in entries if entry["state"] == "failed"}
        logs = {key: len(list((self.out / HIDDEN / "failed" / key).glob("*.log"))) for key in failed}
        begun = Counter(self._executions.read_text().split())
        spread = [
            (max(mb) - min(mb)) / 2 / statistics.median(mb) for mb in self.memory.values() if len(mb) > 20
        ]
        share = (ACTORS if self._on_ray else len(self.running)) / self.count
        working_s = self.last_at - self.first_at
        return {
            "jobs": self.count,
            "processes": len(self.running),
            "kills": self.kills,
            "driver_kills": self.driver_kills,
            "states": dict(states),
            "every_other_job_once": there == {e["identity"] for e in entries} - failed,
            "expected_failures": self.count // self._fail_every if self._fail_every else 0,
            "failed_have_their_logs": all(number == ATTEMPTS for number in logs.values()),
            "made_more_than_once": sum(1 for key, n in begun.items() if n > 1 and key not in failed),
            "exit_statuses": [process.returncode for process in self.running],
            "wall_s": round(self.wall_s, 1),
            "start_s": round(self.first_at - self.begun, 1),
            "overhead_ms_a_job": round(1000 * (working_s * share - seconds), 2),
            "overhead_with_start_and_end_ms_a_job": round(1000 * (self.wall_s * share - seconds), 2),
            "processor_ms_a_job": round(1000 * sum(self.processor_s.values()) / self.count, 2),
            "memory_mb": round(max((max(mb) for mb in self.memory.values()), default=0.0), 1),
            "memory_spread": round(max(spread, default=0.0), 4),
            "load": os.getloadavg()[0],
            "cores": os.cpu_count(),
        }


def in_words(told: dict[str, Any]) -> str:
    """Return the report as a table."""
    rows = "".join(f"| {name.replace('_', ' ')} | {value} |\n" for name, value in told.items())
    return f"| | |\n|---|---|\n{rows}"


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the report (JSON; a table beside it)")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.005)
    parser.add_argument("--fail-every", type=int, default=500)
    parser.add_argument("--kill-every", type=int, default=0, metavar="RESULTS")
    parser.add_argument("--kill-drivers", type=int, default=0, metavar="TIMES")
    parser.add_argument("--home", type=Path, help="where the results go (default: a temporary folder)")
    options, more = parser.parse_known_args()
    home = Path(tempfile.mkdtemp(prefix="batch-", dir=options.home))
    try:
        fleet = Fleet(home, options.count, options.processes, options.seconds, options.fail_every, more)
        fleet.watch(options.kill_every, options.kill_drivers)
        told = fleet.report(options.seconds)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    keep(options.out, told, in_words(told))
    sys.stdout.write(in_words(told))
    return 0 if told["every_other_job_once"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
