"""What live previews cost a job: the same Worlds with and without them, in turns, in one engine.

    python -m benchmarks.live_preview --repeat 5

The engine is asked as Blender asks it; the median of the time per denoising step is compared. What it
costs Blender to show them is measured in the window (``pytest tests/ui``).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from sync_engine.interface.client import EngineClient
from sync_engine.interface.messages import Progress
from sync_engine.interface.spec import EnvironmentSpec

PATIENCE_S = 1800.0


def run(client: EngineClient, spec: EnvironmentSpec, previews: bool) -> tuple[float, int]:
    """Make one World; return its denoising seconds, as the engine measured them, and how many previews."""
    client.set_preview(previews)
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
    return float(job.result.timings["denoise"]), len(seen)


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
    counts = []
    with tempfile.TemporaryDirectory() as folder:
        client = EngineClient(sys.executable, Path(folder))
        try:
            run(client, spec, False)  # loads the model
            for number in range(options.repeat):
                for previews in (False, True) if number % 2 else (True, False):
                    took, count = run(client, spec, previews)
                    seconds[previews].append(took)
                    if previews:
                        counts.append(count)
        finally:
            client.shutdown()
    without, with_them = statistics.median(seconds[False]), statistics.median(seconds[True])
    pairs = [b / a for a, b in zip(seconds[False], seconds[True], strict=True)]
    row = {
        "without_s": round(without, 3),
        "with_s": round(with_them, 3),
        "cost": round(statistics.median(pairs) - 1, 4),
        "previews": statistics.median(counts),
        "runs": options.repeat,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "live_preview.json").write_text(
        json.dumps({**row, "seconds": list(seconds.values())}, indent=2)
    )
    sys.stdout.write(f"{json.dumps(row)}\n")


if __name__ == "__main__":
    main()
