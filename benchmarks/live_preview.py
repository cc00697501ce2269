# SPDX-License-Identifier: GPL-3.0-or-later
"""What live previews cost a job: the same Worlds with and without them, in turns, in one engine.

    python -m benchmarks.live_preview --repeat 5

The engine is asked as Blender asks it. Compared are the engine's own seconds for the denoising and (on
Linux) the processor time of the whole job, which other programs on the machine disturb less. What it
costs Blender to show them is measured in the window (``pytest tests/ui``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from sync_engine.host.client import EngineClient
from sync_engine.interface.messages import Progress
from sync_engine.interface.spec import EnvironmentSpec

PATIENCE_S = 1800.0


def processor_seconds(pid: int | None) -> float:
    """Return the processor time that a process has used so far; 0 where that cannot be told."""
    path = Path(f"/proc/{pid}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(client: EngineClient, spec: EnvironmentSpec, previews: bool) -> tuple[float, float, int]:
    """Make one World; return its denoising seconds, the job's processor seconds, and how many previews."""
    client.set_preview(previews)
    before = processor_seconds(client.pid)
    job = client.generate(spec)
    seen: set[float] = set()
    deadline = time.monotonic() + PATIENCE_S
    while not job.state.finished and time.monotonic() < deadline:
        for event in client.drain():
            if isinstance(event, Progress) and event.preview:
                seen.add(event.step)
        time.sleep(0.01)
    if job.result is None:
        raise RuntimeError(str(job.error or "not in time"))
    return float(job.result.timings["denoise"]), processor_seconds(client.pid) - before, len(seen)


def _cost(measured: dict[bool, list[float]]) -> float | None:
    """Return the median over pairs of what previews add, as a share; None where nothing was measured."""
    if not all(measured[False]):
        return None
    pairs = zip(measured[False], measured[True], strict=True)
    return round(statistics.median(with_them / without for without, with_them in pairs) - 1, 4)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"))
    options = parser.parse_args()
    spec = EnvironmentSpec("desert at sunset", width=options.width, steps=options.steps, seed=7)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    busy: dict[bool, list[float]] = {False: [], True: []}
    counts = []
    with tempfile.TemporaryDirectory() as folder:
        client = EngineClient(sys.executable, Path(folder))
        try:
            run(client, spec, False)  # loads the model
            for number in range(options.repeat):
                for previews in (False, True) if number % 2 else (True, False):
                    took, used, count = run(client, spec, previews)
                    seconds[previews].append(took)
                    busy[previews].append(used)
                    if previews:
                        counts.append(count)
        finally:
            client.shutdown()
    row = {
        "without_s": round(statistics.median(seconds[False]), 3),
        "with_s": round(statistics.median(seconds[True]), 3),
        "cost": _cost(seconds),
        "processor_without_s": round(statistics.median(busy[False]), 3),
        "processor_with_s": round(statistics.median(busy[True]), 3),
        "processor_cost": _cost(busy),
        "previews": statistics.median(counts),
        "runs": options.repeat,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "live_preview.json").write_text(
        json.dumps({**row, "seconds": list(seconds.values()), "busy": list(busy.values())}, indent=2)
    )
    sys.stdout.write(f"{json.dumps(row)}\n")


if __name__ == "__main__":
    main()
