# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the engine obeys: cancel, and the report of a killed engine.

    python -m benchmarks.control --repeat 5

Cancel is measured from the request to the engine's ``cancelled``, beside the time of one denoising
step; a crash from SIGKILL to the job's state FAILED, polled every 10 ms as Blender's timer would.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import results
from sync_engine.host.client import EngineClient
from sync_engine.host.jobs import Job, JobState
from sync_engine.interface.messages import Progress
from sync_engine.interface.spec import EnvironmentSpec

PROCESS_PATIENCE_S = 300.0


def until_step(client: EngineClient, job: Job, step: int) -> list[float]:
    """Drain until ``job`` has done a denoising step; return the times at which steps were seen."""
    times: list[float] = []
    deadline = time.monotonic() + PROCESS_PATIENCE_S
    while time.monotonic() < deadline:
        for event in client.drain():
            if isinstance(event, Progress) and event.stage == "denoise" and event.step:
                times.append(time.perf_counter())
        if job.stage == "denoise" and job.step >= step:
            return times
        if job.state.finished:
            raise RuntimeError(f"the job ended early: {job.error}")
        time.sleep(0.01)
    raise TimeoutError("the engine did not get that far")


def cancel_seconds(client: EngineClient, spec: EnvironmentSpec) -> tuple[float, float]:
    """Return (seconds of a step, seconds from cancel to the engine being ready again)."""
    job = client.generate(spec)
    times = until_step(client, job, 4)
    step = statistics.median(b - a for a, b in itertools.pairwise(times))
    job.cancel()
    started = time.perf_counter()
    while client.state.value != "ready":
        client.drain()
        time.sleep(0.005)
    return step, time.perf_counter() - started


def crash_seconds(client: EngineClient, spec: EnvironmentSpec) -> float:
    """Return the seconds from SIGKILL to the failed job; then the next job must work."""
    job = client.generate(spec)
    until_step(client, job, 2)
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    started = time.perf_counter()
    while job.state is not JobState.FAILED:
        client.drain()
        time.sleep(0.01)
    return time.perf_counter() - started


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--model", default="draft")
    parser.add_argument("--record", action="store_true", help="for docs/results.md")
    options = parser.parse_args()
    spec = EnvironmentSpec("sunset over a desert", model=options.model, width=1024, seed=7)
    with tempfile.TemporaryDirectory() as library:
        client = EngineClient(sys.executable, Path(library))
        client.wait_ready(PROCESS_PATIENCE_S)
        cancels = [cancel_seconds(client, spec) for _ in range(options.repeat)]
        crashes = [crash_seconds(client, spec) for _ in range(options.repeat)]
        client.shutdown()
    report = {
        "step_s": statistics.median(step for step, _ in cancels),
        "cancel_to_ready_s": statistics.median(wait for _, wait in cancels),
        "cancel_to_ready_worst_s": max(wait for _, wait in cancels),
        "crash_reported_s": statistics.median(crashes),
        "crash_reported_worst_s": max(crashes),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    if options.record:
        cancel = f"{report['cancel_to_ready_s']:.2f} s, a step taking {report['step_s']:.2f} s"
        results.record(
            "control",
            order=80,
            title="The engine obeys",
            claim="From the client, polled as Blender's timer would.",
            command="python -m benchmarks.control --record",
            columns=["", "measured", "limit"],
            rows=[
                ["cancel of a 1024 World to an engine that is ready", cancel, "one step + 0.5 s"],
                ["engine killed to the failed job", f"{report['crash_reported_s']:.2f} s", "1 s"],
            ],
        )


if __name__ == "__main__":
    main()
