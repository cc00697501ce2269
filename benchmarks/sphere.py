"""Designs of the sphere on the same prompts, seeds and number of denoiser calls: wrap, poles, time, memory.

    python -m benchmarks.sphere --out out/sphere
    python -m benchmarks.sphere --out out/sphere --hdri ../shared/hdri

Each design paints in a process of its own, so that peak memory is its own. Pictures that are there
already are not painted again. Prints a table for ``docs/sphere.md``, writes ``sphere.json`` and contact
sheets with the zenith and the nadir of each world.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gallery import read_prompts
from benchmarks.panorama import wrap_ratio
from sync_engine import models
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.device import choose_device, choose_dtype, peak_memory_gb
from sync_engine.directions import phrases_of, window_prompts
from sync_engine.evaluation.poles import ratio
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.output import write_png
from sync_engine.sampling import Conditioning, sample
from sync_engine.sync.methods import pull_for, settings

HEIGHT = 512
CALLS_OF = {"cube": 6, "views": 23, "views-sync": 23, "pixels": 23, "points": 24, "repaired": 24}
"""Windows a step, to give every design about the same number of denoiser calls."""


class Painter:
    """Paints worlds with one design.

    Args:
        design: a name of ``CALLS_OF``.
        calls: denoiser calls a world, about.
    """

    def __init__(self, design: str, calls: int, model: str) -> None:
        from sync_engine.backbones.loading import load

        self.design, self.steps = design, round(calls / CALLS_OF[design])
        device = choose_device("auto")
        self.model = models.find(model)
        self.backbone = load(self.model, device, choose_dtype("auto", device))
        self.phrases = phrases_of(self.backbone.folder)

    def paint(self, prompt: str, seed: int) -> torch.Tensor:
        """Return a world ``(3, 512, 1024)`` in [0, 1]."""
        spec = EnvironmentSpec(prompt, method="sync" if self.design == "views-sync" else "multidiffusion")
        generator = torch.Generator().manual_seed(seed)
        if self.design == "cube":
            return self._paint_cube(spec, generator)
        if self.design == "repaired":
            return self._paint_repaired(spec, generator)
        return self._paint(spec, self._canvas(), generator)

    def _canvas(self) -> Any:
        if self.design == "points":
            from benchmarks.designs.points import PointsCanvas

            return PointsCanvas(self.backbone.window)
        if self.design == "pixels":
            from benchmarks.designs.pixels import PixelCanvas

            return PixelCanvas(self.backbone)
        return SphereCanvas(self.backbone.window)

    def _paint(self, spec: EnvironmentSpec, canvas: Any, generator: torch.Generator) -> torch.Tensor:
        chosen = settings(spec, self.steps)
        x0 = sample(
            self.backbone,
            canvas,
            self.backbone.scheduler(chosen.scheduler, self.steps),
            canvas.noise(self.backbone.channels, generator),
            self._conditioning(spec, canvas.elevations),
            pull_for(spec.method, chosen, self.backbone, 16),
        )
        return canvas.decode(self.backbone.decode, x0, HEIGHT, lambda done, parts: None)

    def _paint_cube(self, spec: EnvironmentSpec, generator: torch.Generator) -> torch.Tensor:
        from benchmarks.designs.cube import CubeCanvas, TurningScheduler

        canvas = CubeCanvas(self.backbone.window, 25.0, generator)
        conditioning = self._conditioning(spec, canvas.elevations)

        def on_turn() -> None:
            new = self._conditioning(spec, canvas.elevations)
            conditioning.prompts, conditioning.index = new.prompts, new.index

        scheduler = TurningScheduler(self.backbone.scheduler("ddim", self.steps), canvas, on_turn)
        noise = canvas.noise(self.backbone.channels, generator)
        x0 = sample(self.backbone, canvas, scheduler, noise, conditioning)
        return canvas.decode(self.backbone.decode, x0, HEIGHT, lambda done, parts: None)

    def _paint_repaired(self, spec: EnvironmentSpec, generator: torch.Generator) -> torch.Tensor:
        from benchmarks.designs.repaired import repair_poles

        scale, window = self.backbone.scale, self.backbone.window
        canvas = PlaneCanvas(HEIGHT // scale, 2 * HEIGHT // scale, window, window // 2, wrap=True)
        picture = self._paint(spec, canvas, generator)
        return repair_poles(
            self.backbone,
            picture,
            lambda pole: self._conditioning(spec, [pole]),
            lambda: self.backbone.scheduler("dpm", self.steps),
            generator,
        )

    def _conditioning(self, spec: EnvironmentSpec, elevations: list[float]) -> Conditioning:
        wanted = window_prompts(spec, elevations, self.phrases)
        distinct = list(dict.fromkeys(wanted))
        return Conditioning(
            self.backbone.encode(distinct),
            self.backbone.encode([""]),
            [distinct.index(w) for w in wanted],
            models.TABLE["draft"].guidance,
        )


def work(design: str, calls: int, model: str, prompts: int, seeds: int, out: Path) -> None:
    """Paint what is missing of one design."""
    painter = Painter(design, calls, model)
    for seed in range(seeds):
        for row in read_prompts(prompts):
            prompt = row.prompt
            file = out / design / f"{row.number:02}-{seed}.png"
            if file.is_file():
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            picture = painter.paint(prompt, seed)
            record = {
                "wall_s": time.perf_counter() - wall,
                "cpu_s": time.process_time() - cpu,
                "peak_memory_gb": peak_memory_gb(painter.backbone.device),
            }
            file.parent.mkdir(parents=True, exist_ok=True)
            write_png(file, picture.permute(1, 2, 0).numpy())
            file.with_suffix(".json").write_text(json.dumps(record))


def read(file: Path) -> torch.Tensor:
    """Read a picture as ``(3, H, W)`` in [0, 1]."""
    from PIL import Image

    with Image.open(file) as image:
        return torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32) / 255).permute(2, 0, 1)


def measure(pictures: list[torch.Tensor]) -> dict[str, list[float]]:
    """Return each statistic of each picture."""
    statistic: dict[str, Callable[[torch.Tensor], float]] = {
        "wrap": wrap_ratio,
        "zenith": lambda picture: ratio(picture, 90.0),
        "nadir": lambda picture: ratio(picture, -90.0),
    }
    return {name: [function(picture) for picture in pictures] for name, function in statistic.items()}


def spread(values: list[float]) -> str:
    """Return a median with the 10th and the 90th percentile."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def contact_sheet(files: list[Path], out: Path) -> None:
    """Write a sheet: each row a world, its zenith and its nadir."""
    from sync_engine.canvas.views import View, cut_view

    rows = []
    for file in files:
        picture = read(file)
        poles = [cut_view(picture, View(0.0, pole, 90.0), 256)[0].clamp(0, 1) for pole in (90.0, -90.0)]
        small = torch.nn.functional.interpolate(picture[None], (256, 512), mode="area")[0]
        rows.append(torch.cat([small, *poles], dim=2))
    write_png(out, torch.cat(rows, dim=1).permute(1, 2, 0).numpy())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/sphere"))
    parser.add_argument("--designs", nargs="+", default=list(CALLS_OF), choices=list(CALLS_OF))
    parser.add_argument("--calls", type=int, default=23 * 16, help="denoiser calls a world, about")
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--hdri", type=Path, help="folder of real panoramas (.hdr) to measure too")
    parser.add_argument("--model", default="draft")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.calls, options.model, options.prompts, options.seeds, options.out)
        return
    report: dict[str, Any] = {}
    for design in options.designs:
        numbers = {
            "calls": options.calls,
            "model": options.model,
            "prompts": options.prompts,
            "seeds": options.seeds,
        }
        command = [sys.executable, "-m", "benchmarks.sphere", "--worker", design, "--out", str(options.out)]
        subprocess.run([*command, *(w for k, v in numbers.items() for w in (f"--{k}", str(v)))], check=True)
        files = sorted((options.out / design).glob("*.png"))
        costs = [json.loads(file.with_suffix(".json").read_text()) for file in files]
        report[design] = measure([read(file) for file in files]) | {
            name: [cost[name] for cost in costs] for name in costs[0]
        }
        row = report[design]
        sys.stdout.write(
            f"| {design} | {len(files)} | {spread(row['wrap'])} | {spread(row['zenith'])} "
            f"| {spread(row['nadir'])} | {statistics.median(row['cpu_s']):.1f} "
            f"| {max(row['peak_memory_gb']):.2f} |\n"
        )
        sys.stdout.flush()
        contact_sheet(files, options.out / f"{design}.png")
    if options.hdri:
        raise NotImplementedError
    (options.out / "sphere.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
