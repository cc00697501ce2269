# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated worlds beside photographed ones: the wrap, the poles, the horizon, Intra-LPIPS.

    SYNCSCAPE_LPIPS=../shared/lpips python -m benchmarks.sphere --hdri ../shared/hdri

Writes ``sphere.json`` into OUT and prints a table for ``docs/science/sphere.md``: medians with the 10th
and the 90th percentile. Pictures are shared with ``benchmarks.coherence`` (``--out``).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.gallery import Case, Gallery, read_prompts
from benchmarks.hdr import read_hdr
from benchmarks.panorama import displayed, wrap_ratio
from sync_engine.common.device import choose_device
from sync_engine.evaluation.horizon import Horizon
from sync_engine.evaluation.intra_lpips import IntraLpips
from sync_engine.evaluation.metric import Metric
from sync_engine.evaluation.picture import Picture, read
from sync_engine.evaluation.poles import Poles
from sync_engine.sync.feature_nets import lpips_weights
from sync_engine.sync.methods import METHODS

PHOTOGRAPHED = {
    "wrap": (0.66, 0.98, 1.42),
    "pole_zenith": (0.57, 1.18, 1.93),
    "pole_nadir": (0.87, 1.22, 1.55),
}
"""10th percentile, median and 90th percentile of 44 photographed worlds."""
APART = 0.15
"""A median of generated worlds may be so far from that of photographed ones."""

Figures = dict[str, list[float]]


def measure(pictures: Iterable[tuple[Picture, bool]]) -> Figures:
    """Return each figure of all worlds; the horizon's of those only that are said to be level."""
    metrics: list[Metric] = [Poles()]
    if lpips_weights("vgg") is not None:
        metrics.append(IntraLpips(choose_device("auto")))
    found: Figures = {}
    for picture, level in pictures:
        figures = {"wrap": wrap_ratio(picture.pixels)}
        for metric in [*metrics, *([Horizon()] if level else [])]:
            figures |= metric.measure(picture)
        for name, value in figures.items():
            found.setdefault(name, []).append(value)
    return found


def generated(gallery: Gallery, method: str, prompts: int, seeds: int) -> Iterable[tuple[Picture, bool]]:
    """Yield the worlds of a method, made now if they are not there, and whether their land is level."""
    for seed in range(seeds):
        for prompt in read_prompts(prompts):
            folder = gallery.result(Case("world", method, prompt, seed))
            yield read(folder / "world.exr", "world"), prompt.flat


def photographed(folder: Path) -> Iterable[tuple[Picture, bool]]:
    """Yield the panoramas of a folder."""
    for file in sorted(folder.glob("*.hdr")):
        yield Picture(file.name, displayed(read_hdr(file)), "world"), False


def row(name: str, figures: Figures) -> str:
    """Return a line of the table."""
    cells = [name, str(len(figures["wrap"]))]
    for figure in (*PHOTOGRAPHED, "horizon_tilt", "intra_lpips"):
        values = figures.get(figure)
        low, middle, high = np.quantile(values, (0.1, 0.5, 0.9)) if values else (0.0, 0.0, 0.0)
        cells.append(f"{middle:.2f} ({low:.2f}–{high:.2f})" if values else "")
    return f"| {' | '.join(cells)} |\n"


def misses(figures: Figures) -> list[str]:
    """Return the figures whose median or 90th percentile is not like that of photographed worlds."""
    missed = []
    for name, (_, median, high) in PHOTOGRAPHED.items():
        far = abs(float(np.median(figures[name])) - median) > APART
        if far or float(np.quantile(figures[name], 0.9)) > high:
            missed.append(name)
    return missed


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/coherence"))
    parser.add_argument("--model", default="draft")
    parser.add_argument("--steps", type=int, help="default: the model's own")
    parser.add_argument("--prompts", type=int, default=12, help="how many of prompts.json")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["sync"])
    parser.add_argument("--hdri", type=Path, help="folder of photographed panoramas (.hdr) to measure too")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    gallery = Gallery(options.out, options.model, options.steps)
    report = {
        method: measure(generated(gallery, method, options.prompts, options.seeds))
        for method in options.methods
    }
    for name, figures in report.items():
        sys.stdout.write(row(name, figures))
        for missed in misses(figures):
            sys.stdout.write(f"{name}: {missed} is not as in photographed worlds\n")
    if options.hdri is not None:
        report["photographed"] = measure(photographed(options.hdri))
        sys.stdout.write(row("photographed", report["photographed"]))
    (options.out / "sphere.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
