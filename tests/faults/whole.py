# SPDX-License-Identifier: GPL-3.0-or-later
"""``make faults``: many seeds of every kind, and a row each of (tried, wrong) for docs/results.md.

python -m tests.faults.whole [--minutes 8 --state FILE]

With a file of state the campaign may be run in pieces: each goes on with the next seeds.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import record
from tests.faults import disks, folders, trials
from tests.faults.kills import Kills, draft_spec, small_specs

log = logging.getLogger(__name__)
Trial = Callable[[random.Random, Path], str | None]


@dataclass(frozen=True)
class Goal:
    """How many trials of a kind are wanted, and how many faults each of them tries."""

    trial: Trial
    trials: int
    each: int = 1


GOALS: dict[str, Goal] = {
    "harmed lines to the engine": Goal(trials.request_lines, 100, trials.LINES),
    "harmed events to Blender": Goal(trials.event_lines, 100, trials.LINES),
    "harmed pictures (Blender's thread waits ≤ 10 ms)": Goal(trials.evil_picture, 300),
    "harmed record in a library": Goal(trials.evil_record, 100),
    "evil models: no code run, no pickle opened": Goal(folders.evil_model, 150),
    "slow and lying hub": Goal(folders.lying_hub, 60),
    "disk full at every call of a result's writing": Goal(disks.full_disk, 2, 2 * disks.CALLS),
    "file system full at every page of a result": Goal(disks.full_file_system, 20),
    "two writers of one folder": Goal(disks.two_writers, 100),
    "power cut while results are written: lost after done": Goal(disks.power_cut, 20),
}
NEEDS_MOUNTS = (disks.full_file_system, disks.power_cut)
KILLS = {"small random models": 170, "the draft model": 40}
WENT_ON = 50
"""So many of the killed jobs should have a checkpoint to go on from."""


class Tally:
    """What was tried so far, in a file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        there = path is not None and path.exists()
        self.rows: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path and there else {}

    def of(self, name: str) -> dict[str, Any]:
        """Return the counts of a kind."""
        return self.rows.setdefault(name, {"tried": 0, "wrong": 0, "stages": {}, "went_on": 0})

    def save(self) -> None:
        """Write the file."""
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self.rows, indent=1))


def many(name: str, trial: Trial, goal: int, tally: Tally, end: float) -> None:
    """Try the next seeds until there are enough or time is up; each that is wrong is told on stderr."""
    counts = tally.of(name)
    while counts["tried"] < goal and time.monotonic() < end:
        seed = counts["tried"]
        folder = Path(tempfile.mkdtemp(prefix="faults-"))
        try:
            problem = trial(random.Random(seed), folder)
        except Exception as error:  # whatever it is, it is none of the ends that a fault may have
            log.exception("%s, seed %s", name, seed)
            problem = repr(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        counts["tried"] += 1
        if problem is not None:
            counts["wrong"] += 1
            sys.stderr.write(f"{name}, seed {seed}: {problem}\n")
        tally.save()


def kill_jobs(tally: Tally, end: float) -> None:
    """Kill jobs until there are enough of each model."""
    for name, goal in KILLS.items():
        counts = tally.of(name)
        if counts["tried"] >= goal or time.monotonic() >= end:
            continue
        with tempfile.TemporaryDirectory() as folder:
            specs = [draft_spec()] if "draft" in name else small_specs(Path(folder))
            kills = Kills(specs, Path(folder))

            def trial(chance: random.Random, place: Path) -> str | None:
                problem = kills.trial(chance, place)  # noqa: B023 (called in this turn of the loop)
                for stage, number in kills.seen.stages.items():  # noqa: B023
                    counts["stages"][stage] = counts["stages"].get(stage, 0) + number  # noqa: B023
                counts["went_on"] += kills.seen.went_on  # noqa: B023
                kills.seen = type(kills.seen)()  # noqa: B023
                return problem

            many(name, trial, goal, tally, end)


def _of(tried: int, aim: int) -> str:
    return f"{tried:,}" if tried >= aim else f"{tried:,} (aim {aim:,})"


def rows_of(tally: Tally) -> list[list[str]]:
    """Return the table: what was tried, how often, how many were wrong."""
    rows = []
    for name, goal in GOALS.items():
        counts = tally.of(name)
        if counts["tried"]:
            tried = _of(counts["tried"] * goal.each, goal.trials * goal.each)
            rows.append([name, tried, str(counts["wrong"])])
    for name in KILLS:
        counts = tally.of(name)
        if not counts["tried"]:
            continue
        killed = {stage: number for stage, number in counts["stages"].items() if stage != "after the end"}
        where = ", ".join(f"{number} {stage}" for stage, number in sorted(killed.items()))
        about = f"kills of {name} ({where}), asked for again: same pixels"
        rows.append([about, _of(sum(killed.values()), KILLS[name]), str(counts["wrong"])])
    went_on = sum(tally.of(name)["went_on"] for name in KILLS)
    if went_on:
        wrong = sum(tally.of(name)["wrong"] for name in KILLS)
        rows.append(["of these went on from a checkpoint: same pixels", _of(went_on, WENT_ON), str(wrong)])
    return rows


def main() -> int:
    """Try everything and record it; exit status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=24 * 60.0, help="stop after so many")
    parser.add_argument("--state", type=Path, help="what earlier pieces have tried")
    parser.add_argument("--only", default="", help="kinds whose names have this word, or kills")
    options = parser.parse_args()
    tally, end = Tally(options.state), time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        refusal = disks.can_mount(Path(folder))
    if refusal:
        sys.stderr.write(f"Nothing is mounted ({refusal}): no power cuts, no full file systems.\n")
    for name, goal in GOALS.items():
        if options.only in name and not (refusal and goal.trial in NEEDS_MOUNTS):
            many(name, goal.trial, goal.trials, tally, end)
    if options.only in ("", "kills"):
        kill_jobs(tally, end)
    rows = rows_of(tally)
    record(
        "faults",
        order=90,
        title="Before or after, never between",
        claim="Faults by seed, and how many ended wrong: a half result, a hang, a traceback, other pixels.",
        command="make faults",
        columns=["fault", "tried", "wrong"],
        rows=rows,
    )
    return 1 if any(row[2] != "0" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
