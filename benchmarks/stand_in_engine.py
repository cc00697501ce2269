# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the engine, to measure a batch by itself: results of a few bytes after a few milliseconds.

    python -m benchmarks.stand_in_engine JOBS --out DIR    the batch command with it

SYNCSCAPE_STAND_IN sets it: ``{"seconds": 0.005, "fail_every": 500, "executions": "FILE"}``. A job whose seed
is a multiple of ``fail_every`` always fails; every job that is begun adds a line to the file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from sync_engine.cli import batch
from sync_engine.interface.spec import EnvironmentSpec

VARIABLE = "SYNCSCAPE_STAND_IN"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0"
    "000003010100c9fe92ef0000000049454e44ae426082"
)
"""A PNG of one red pixel."""


class StandIn:
    """Makes plates of one pixel."""

    def __init__(self) -> None:
        settings = json.loads(os.environ.get(VARIABLE, "{}"))
        self._seconds = float(settings.get("seconds", 0.005))
        self._fail_every = int(settings.get("fail_every", 0))
        self._executions: str = settings.get("executions", "")

    def run(
        self,
        spec: EnvironmentSpec,
        out: Path,
        reporter: Any,
        cancelled: Any = None,
        job_id: str | None = None,
    ) -> None:
        """Write a plate, a preview and a record into ``out``; ValueError for the seeds that fail."""
        if self._executions:
            with open(self._executions, "a", encoding="utf-8") as file:
                file.write(f"{job_id}\n")
        time.sleep(self._seconds)
        if self._fail_every and int(spec.seed or 0) % self._fail_every == 0:
            raise ValueError(f"seed {spec.seed} always fails")
        out.mkdir(parents=True)
        name = "plate.png" if spec.kind == "plate" else "world.exr"
        for picture in (name, "preview.png"):
            (out / picture).write_bytes(PIXEL)
        record = {"spec_version": 1, "id": job_id, "spec": spec.to_dict(), "timings": {}}
        (out / "spec.json").write_text(json.dumps(record), encoding="utf-8")


def main() -> int:
    """Run the batch command with the stand-in."""
    parser = argparse.ArgumentParser(description=__doc__)
    batch.add_parser(parser.add_subparsers(dest="command", required=True))
    return batch.run(parser.parse_args(["batch", *sys.argv[1:]]), StandIn)


if __name__ == "__main__":
    raise SystemExit(main())
