# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds made larger against plain enlargement: layout, light and detail, on prompts that chose no setting.

    python -m benchmarks.enlarge --out FOLDER [--model draft] [--width 2048] [--record]

Results that are in the folder already are measured, not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.results import record
from sync_engine.pictures.read import read_picture
from sync_engine.radiance.directions import LUMINANCE, irradiance, light_vector, normals, reduced
from sync_engine.radiance.srgb import from_linear

PROMPTS = {
    "dunes": "sand dunes under a clear sky, late afternoon",
    "alley": "a narrow alley of an old town at noon",
    "forest": "a pine forest in autumn, fog",
    "lake": "a lake between mountains at sunrise",
    "studio": "a photo studio with soft boxes",
    "night": "a city street at night, neon lights",
}
SEED = 11
COLUMNS = ["world", "PSNR (dB)", "light (°)", "irradiance (%)", "detail ÷ plain", "with edges", "seconds"]
BLOCK = 64
"""Detail is compared in blocks of so many pixels: by their median, as a sun's edge is not all."""


def main() -> None:
    """Make what is missing, measure all, print and perhaps record a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="draft")
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--only", nargs="*", default=list(PROMPTS))
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    found = {}
    for name in options.only:
        small, large = options.out / f"{name}-1024", options.out / f"{name}-{options.width}"
        if not small.is_dir():
            given = ("--model", options.model, "--seed", str(SEED), "--width", "1024")
            _run("generate", "--prompt", PROMPTS[name], *given, "--out", str(small))
        if not large.is_dir():
            _run("enlarge", str(small), "--width", str(options.width), "--out", str(large))
        found[name] = figures(small, large)
        sys.stdout.write(f"{name}: {json.dumps(found[name])}\n")
        sys.stdout.flush()
    rows = [[name, *_shown(row)] for name, row in found.items()]
    middle = {key: median(row[key] for row in found.values()) for key in next(iter(found.values()))}
    worst = {
        "psnr": min(row["psnr"] for row in found.values()),
        "light": max(row["light"] for row in found.values()),
        "irradiance": max(row["irradiance"] for row in found.values()),
        "detail": min(row["detail"] for row in found.values()),
        "all": min(row["all"] for row in found.values()),
        "seconds": max(row["seconds"] for row in found.values()),
    }
    rows += [["median", *_shown(middle)], ["worst", *_shown(worst)]]
    if options.record:
        record(
            "enlarge",
            order=65,
            title="Larger later",
            claim=f"Worlds of 1024 pixels made {options.width} wide: the reduction against the original, the "
            "light's direction and strength, and the gradient energy against bilinear enlargement (median "
            "block; *with edges*: the mean, which horizons and suns decide). Settings: chosen on forest and "
            "alley, of six tried.",
            command=f"python -m benchmarks.enlarge --out FOLDER --model {options.model} "
            f"--width {options.width} --record",
            columns=COLUMNS,
            rows=rows,
        )
    sys.stdout.write("\n".join(" | ".join(row) for row in [COLUMNS, *rows]) + "\n")


def figures(small: Path, large: Path) -> dict[str, float]:
    """Return what a larger world keeps of a small one, and how much more there is to see."""
    exposure = json.loads((small / "spec.json").read_text())["light"]["exposure"]
    seconds = json.loads((large / "spec.json").read_text())["timings"]["total"]
    before, after = (read_picture(folder / "world.exr").pixels for folder in (small, large))
    less = reduced(after, before.shape[1])
    shown = [from_linear((light * np.float32(2.0**-exposure)).clip(0, 1)) for light in (before, less, after)]
    error = float(np.square(shown[0] - shown[1]).mean())
    vectors = [light_vector(reduced(light, 512) @ LUMINANCE) for light in (before, after)]
    cosine = float(vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1]))
    on = [irradiance(reduced(light, 256) @ LUMINANCE, normals()) for light in (before, after)]
    size = (after.shape[1], after.shape[0])
    channels = [Image.fromarray(shown[0][..., channel]) for channel in range(3)]  # floats: nothing is rounded
    flat = np.stack([np.asarray(one.resize(size, Image.Resampling.BILINEAR)) for one in channels], axis=-1)
    return {
        "psnr": float(-10 * np.log10(max(error, 1e-12))),
        "light": float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
        "irradiance": 100 * float(np.abs(on[1] / on[0] - 1).max()),
        "detail": _detail(shown[2], np.median) / _detail(flat, np.median),
        "all": _detail(shown[2], np.mean) / _detail(flat, np.mean),
        "seconds": seconds,
    }


def _detail(picture: np.ndarray, middle: Callable[..., Any]) -> float:
    """Return the squared difference of neighbours' luma within 60° of the horizon, by blocks of ``BLOCK``."""
    rows = picture.shape[0]
    luma = picture[rows // 6 : -rows // 6] @ LUMINANCE
    energy = np.square(np.diff(luma, axis=0))[:, 1:] + np.square(np.diff(luma, axis=1))[1:]
    down, across = energy.shape[0] // BLOCK, energy.shape[1] // BLOCK
    blocks = energy[: down * BLOCK, : across * BLOCK].reshape(down, BLOCK, across, BLOCK)
    return float(middle(blocks.mean(axis=(1, 3))))


def _shown(row: dict[str, float]) -> list[str]:
    digits = {"psnr": 1, "light": 2, "irradiance": 2, "detail": 2, "all": 2, "seconds": 0}
    return [f"{row[name]:.{count}f}" for name, count in digits.items()]


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "sync_engine", *arguments], check=True)


if __name__ == "__main__":
    main()
