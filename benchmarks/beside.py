# SPDX-License-Identifier: GPL-3.0-or-later
"""How the engine shares a processor: a draft World alone and beside others, and what Blender loses by it.

    python -m benchmarks.beside --out out/beside.json [--bpy .build/bpy-5.0.1/bin/python] [--rounds 3]

Beside nothing, a loop that keeps every core busy, a second engine, and a training (a small network and its
gradient, on all threads). Each round makes every case once, in turns, so that what else the machine does
falls on all of them; ratios are of medians. With ``--bpy`` a Cycles scene is rendered again and again on all
cores, alone and while the engine makes Worlds: frames a minute. A run takes about four minutes a round on two
cores. ``--nice`` is the engine's niceness, ``--spin`` lets its threads spin as they would by themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.save_report import keep
from sync_engine.common.priority import DEFAULT_NICE, NICE_VARIABLE, WAITING

SILENT = subprocess.DEVNULL
ENGINE = """
import os, sys
from sync_engine.common.priority import nice_wanted, step_back
from sync_engine.__main__ import main
os.setsid()
step_back(nice_wanted())
sys.exit(main(sys.argv[1:]))
"""
BUSY = "while True:\n    pass"
TRAINING = """
import torch
layers = torch.nn.Conv2d(3, 64, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(64, 3, 3, padding=1)
net = torch.nn.Sequential(*layers)
while True:
    net(torch.randn(4, 3, 128, 128)).square().mean().backward()
"""
RENDER = """
import sys, time
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.mesh.primitive_monkey_add()
bpy.ops.object.camera_add(location=(0, -4, 1), rotation=(1.3, 0, 0))
scene = bpy.context.scene
scene.camera = bpy.context.object
scene.render.engine = "CYCLES"
scene.cycles.samples, scene.cycles.use_denoising = 16, False
scene.render.resolution_x, scene.render.resolution_y = 320, 180
end, frames = time.time() + float(sys.argv[1]), 0
while time.time() < end:
    bpy.ops.render.render()
    frames += 1
print("frames", frames)
"""
RENDER_S = 40.0
CASES = ("alone", "busy loop", "second engine", "training")


def environment(nice: int, spin: bool) -> dict[str, str]:
    """Return the variables of an engine; without ``spin`` it sets by itself how its threads wait."""
    chosen = dict(os.environ) | {NICE_VARIABLE: str(nice)}
    for name in WAITING:
        chosen.pop(name, None)
        if spin:
            chosen[name] = "1000000"
    chosen.pop("OMP_NUM_THREADS", None)
    return chosen


def generate(out: Path, width: int) -> list[str]:
    """Return the command that makes a draft World, as far behind as ``serve`` steps."""
    options = {"prompt": "sunset over a desert", "width": width, "seed": 7, "device": "cpu", "out": out}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-c", ENGINE, "generate", *words]


def seconds(width: int, env: dict[str, str]) -> dict[str, float]:
    """Make a World; return its wall time and that of its denoising."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "world"
        started = time.perf_counter()
        subprocess.run(generate(out, width), env=env, check=True, stdout=SILENT, stderr=SILENT)
        wall = time.perf_counter() - started
        record = json.loads((out / "spec.json").read_text(encoding="utf-8"))
    return {"wall": wall, "denoise": record["timings"]["denoise"]}


@contextmanager
def beside(case: str, width: int, env: dict[str, str]) -> Iterator[None]:
    """Keep something else at work, at normal priority."""
    own = dict(os.environ)
    own.pop("OMP_NUM_THREADS", None)
    commands: list[list[str]] = []
    if case == "busy loop":
        commands = [[sys.executable, "-c", BUSY]] * (os.cpu_count() or 1)
    elif case == "training":
        commands = [[sys.executable, "-c", TRAINING]]
    elif case == "second engine":
        commands = [[sys.executable, "-c", ENGINES, str(width)]]
        own = env
    started = [
        subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        time.sleep(5.0 if commands else 0.0)  # imports are behind them
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


ENGINES = """
import sys, tempfile
from pathlib import Path
from benchmarks.beside import generate
import subprocess, os
while True:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(generate(Path(folder) / "world", int(sys.argv[1])), stdout=-3, stderr=-3)
"""


def frames(bpy: Path, env: dict[str, str] | None, width: int) -> float:
    """Return the frames a minute of Cycles, beside an engine where ``env`` is its environment."""
    engines = None
    if env is not None:
        engines = subprocess.Popen(
            [sys.executable, "-c", ENGINES, str(width)],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(8.0)  # it has begun to denoise
    try:
        done = subprocess.run(
            [bpy, "-c", RENDER, str(RENDER_S)], capture_output=True, text=True, check=True
        ).stdout
    finally:
        if engines is not None:
            os.killpg(engines.pid, 9)
            engines.wait()
    told = next(line for line in done.splitlines() if line.startswith("frames "))
    return int(told.split()[1]) * 60 / RENDER_S


def words(report: dict[str, Any]) -> str:
    """Return the report as tables."""
    alone = statistics.median(run["denoise"] for run in report["worlds"]["alone"] or [{"denoise": 0}])
    lines = ["| beside | denoising, s | of that alone | whole, s |\n|---|---|---|---|\n"]
    for case, runs in report["worlds"].items():
        if runs:
            inside, wall = (statistics.median(run[key] for run in runs) for key in ("denoise", "wall"))
            lines.append(f"| {case} | {inside:.1f} | {inside / alone:.2f} | {wall:.1f} |\n")
    if report["frames"]["alone"] and report["frames"]["with the engine"]:
        both = [statistics.median(report["frames"][case]) for case in ("alone", "with the engine")]
        share = 1 - both[1] / both[0]
        told = f"{both[0]:.0f} frames a minute, {both[1]:.0f} beside the engine: {share:.0%} less"
        lines.append(f"\nCycles: {told}.\n")
    return "".join(lines)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bpy", type=Path, help="a Python with bpy, for what Blender loses")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--nice", type=int, default=DEFAULT_NICE)
    parser.add_argument("--spin", action="store_true")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=CASES)
    options = parser.parse_args()
    env = environment(options.nice, options.spin)
    report: dict[str, Any] = {
        "nice": options.nice,
        "spin": options.spin,
        "cores": os.cpu_count(),
        "width": options.width,
        "worlds": {case: [] for case in options.cases},
        "frames": {"alone": [], "with the engine": []},
    }
    for _ in range(options.rounds):
        for case in options.cases:
            with beside(case, options.width, env):
                report["worlds"][case].append(seconds(options.width, env))
            keep(options.out, report, words(report))
        if options.bpy:
            report["frames"]["alone"].append(frames(options.bpy, None, options.width))
            report["frames"]["with the engine"].append(frames(options.bpy, env, options.width))
            keep(options.out, report, words(report))
    sys.stdout.write(words(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
