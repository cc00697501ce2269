"""Designs of the sphere on the same prompts, seeds and number of denoiser calls, without a pull.

    SYNCSCAPE_LPIPS=../shared/lpips python -m benchmarks.sphere_designs --out out/designs

Prints a table for ``docs/sphere.md``. Pictures that are there already are not painted again. The draft model
is not told where the sun stands: only views know how.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.designs import cube, repaired
from benchmarks.designs.points import PointsCanvas
from benchmarks.gallery import read_prompts
from benchmarks.panorama import wrap_ratio
from sync_engine import models
from sync_engine.backbones.loading import load
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas, turn_of
from sync_engine.device import choose_device, choose_dtype
from sync_engine.directions import phrases_of, window_prompts
from sync_engine.evaluation import metrics
from sync_engine.evaluation.metrics import Needs
from sync_engine.evaluation.picture import read
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.output import write_png
from sync_engine.sampling import Conditioning, WindowBatch, sample

HEIGHT = 512
WINDOWS = {"views": 25, "points": 26, "cube": 6, "repaired": 24}
"""Windows a step; every design gets steps for about the same number of denoiser calls."""
CALLS = 25 * 16
POLE_CALLS = 2 * 16 * repaired.STRENGTH


class Painter:
    """Paints worlds with one design."""

    def __init__(self, design: str) -> None:
        self.design = design
        calls = CALLS - (POLE_CALLS if design == "repaired" else 0)
        self.steps = round(calls / WINDOWS[design])
        device = choose_device("auto")
        self.model = models.with_defaults(models.TABLE["draft"], Path(models.TABLE["draft"].source))
        self.backbone = load(self.model, device, choose_dtype("auto", device))

    def paint(self, prompt: str, seed: int) -> torch.Tensor:
        """Return a world ``(3, 512, 1024)`` in [0, 1]."""
        spec, generator = EnvironmentSpec(prompt), torch.Generator().manual_seed(seed)
        backbone, window = self.backbone, self.backbone.window

        def condition(elevations: list[float]) -> Conditioning:
            wanted = window_prompts(spec, elevations, phrases_of(backbone.folder))
            distinct = list(dict.fromkeys(wanted))
            index = [distinct.index(text) for text in wanted]
            return Conditioning(
                backbone.encode(distinct), backbone.encode([""]), index, self.model.guidance or 1.0
            )

        if self.design == "cube":
            faces = cube.CubeCanvas(window, 25.0, generator)
            x0 = cube.paint(
                faces, backbone.scheduler("ddim", self.steps), backbone.channels, condition, backbone
            )
            return faces.decode(backbone.decode, x0, HEIGHT, lambda done, parts: None)
        canvas = self._canvas(seed)
        x0 = sample(
            backbone,
            canvas,
            backbone.scheduler("model", self.steps),
            canvas.noise(backbone.channels, generator),
            condition(canvas.elevations),
            batch=WindowBatch(16),
        )
        with torch.no_grad():
            picture = canvas.decode(backbone.decode, x0, HEIGHT, lambda done, parts: None)
        if self.design == "repaired":
            solver = lambda: backbone.scheduler("model", 16)  # noqa: E731
            return repaired.repair_poles(backbone, picture, lambda pole: condition([pole]), solver, generator)
        return picture

    def _canvas(self, seed: int) -> Any:
        window, scale = self.backbone.window, self.backbone.scale
        if self.design == "points":
            return PointsCanvas(window)
        if self.design == "views":
            return SphereCanvas(window, turn=turn_of(seed))
        return PlaneCanvas(HEIGHT // scale, 2 * HEIGHT // scale, window, window // 2, wrap=True)


def figures(folder: Path) -> dict[str, list[float]]:
    """Return each figure of all worlds in a folder."""
    names = ("poles", "intra-lpips", "detail", "horizon")
    built = metrics.build(list(names), Needs())
    level = {f"{prompt.number:02}" for prompt in read_prompts(24) if prompt.flat}
    found: dict[str, list[float]] = {}
    for file in sorted(folder.glob("*.png")):
        picture = read(file, "world")
        row = {"wrap": wrap_ratio(picture.pixels)} | json.loads(file.with_suffix(".json").read_text())
        for name, metric in built.items():
            if name != "horizon" or file.name[:2] in level:
                row |= metric.measure(picture)
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return found


def spread(values: list[float]) -> str:
    """Return a median with the 10th and the 90th percentile."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/designs"))
    parser.add_argument("--designs", nargs="+", default=list(WINDOWS), choices=list(WINDOWS))
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    painters = {design: Painter(design) for design in options.designs}
    for seed in range(options.seeds):
        for prompt in read_prompts(options.prompts):
            for design, painter in painters.items():
                file = options.out / design / f"{prompt.number:02}-{seed}.png"
                if file.is_file():
                    continue
                started = time.process_time()
                picture = painter.paint(prompt.prompt, seed)
                cost = {"cpu_s": time.process_time() - started}
                file.parent.mkdir(parents=True, exist_ok=True)
                file.with_suffix(".json").write_text(json.dumps(cost))
                write_png(file, picture.permute(1, 2, 0).numpy())
    for design in options.designs:
        row = figures(options.out / design)
        cells = [design, *(spread(row[name]) for name in ("wrap", "pole_zenith", "pole_nadir"))]
        cells += [f"{statistics.fmean(row[name]):.2f}" for name in ("intra_lpips", "detail")]
        cells += [f"{statistics.median(row[name]):.2f}" for name in ("horizon_tilt", "cpu_s")]
        sys.stdout.write(f"| {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
