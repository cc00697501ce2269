# SPDX-License-Identifier: GPL-3.0-or-later
"""Balls in real Blender under panoramas whose light was clipped and given back, beside the true ones.

    python -m benchmarks.relighting --blender .build/bpy-5.0.1/…/datafiles/studiolights/world

Each panorama is clipped at luminance percentiles, expanded by a head that was fitted without it, and decoded
plainly; Cycles renders a diffuse, a glossy and a mirror ball under each. Writes ``docs/images/balls.jpg`` and
``balls.json``, and prints the table of ``docs/science/light.md``: error of the diffuse ball. Takes a while.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.radiance import PERCENTILES, left_out
from sync_engine.radiance.directions import LUMINANCE, light_vector, reduced
from sync_engine.radiance.expand import expand
from sync_engine.radiance.srgb import from_linear, to_linear
from training.light import clipped, real_panoramas

SCRIPT = Path(__file__).with_name("relighting_in_blender.py")
WIDTH = 512
"""Panoramas are reduced to this width before they light the balls: a block's mean keeps its light."""
BESIDE_LIGHT = np.radians(50)
"""The camera stands so far beside where the light comes from."""
SIZE, SAMPLES, BLOCK = 72, 64, 4
SHOWN_PERCENTILE = 0.98
SHOWN_MEAN = 0.3
"""The picture's exposure brings the mean of the true diffuse ball here, the same for all of a row."""
METHODS = {"true": "true light", "ours": "clipped, expanded", "plain": "clipped, plain decode"}
LABEL, GAP = 18, 10


def render(python: Path, folder: Path, azimuths: dict[str, float], size: int, samples: int) -> None:
    """Render the panoramas of a folder in Blender (see ``relighting_in_blender.py``).

    Raises subprocess.CalledProcessError if Blender fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "azimuths.json").write_text(json.dumps(azimuths))
    command = [str(python), str(SCRIPT), str(folder.resolve()), str(size), str(samples)]
    isolated = os.environ | {"BLENDER_USER_RESOURCES": str((folder / "user").resolve())}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=isolated)


def diffuse(folder: Path, name: str) -> np.ndarray:
    """Return the diffuse ball of a render from both sides as means of small blocks, ``(N, 3)``."""
    sides = []
    for side in ("front", "back"):
        picture = np.load(folder / f"{name}.{side}.npy")
        size = len(picture)
        middles = (np.arange(size) + 0.5) / size * 2 - 1
        inside = np.hypot(*np.meshgrid(middles, middles)) < 0.96
        count = size // BLOCK
        whole = inside.reshape(count, BLOCK, count, BLOCK).all(axis=(1, 3))
        sides.append(picture[:, :size].reshape(count, BLOCK, count, BLOCK, 3).mean(axis=(1, 3))[whole])
    return np.concatenate(sides)


def error(given: np.ndarray, true: np.ndarray) -> float:
    """Return the RMSE over R, G and B at the best common exposure, over the mean of the true ball."""
    best = (given * true).sum() / (given**2).sum()
    return float(np.sqrt(np.mean((best * given - true) ** 2)) / true.mean())


def sheet(folder: Path, names: list[str], percentile: float, columns: int = 2) -> Image.Image:
    """Return the picture: a row for each panorama, the balls of all methods side by side."""
    size = len(np.load(folder / f"{names[0]}_true_{percentile}.front.npy"))
    rows = -(-len(names) // columns)
    wide = len(METHODS) * 3 * size + (len(METHODS) - 1) * GAP
    height = 2 * LABEL + rows * (size + LABEL)
    page = Image.new("RGB", (columns * wide + (columns + 1) * GAP, height), (24, 24, 24))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=13)
    for column in range(columns):
        left = GAP + column * (wide + GAP)
        for place, title in enumerate(METHODS.values()):
            draw.text((left + place * (3 * size + GAP), 6), title, (255, 255, 255), font)
        for row, name in enumerate(names[column * rows : (column + 1) * rows]):
            top = 2 * LABEL + row * (size + LABEL)
            pictures = [np.load(folder / f"{name}_{method}_{percentile}.front.npy") for method in METHODS]
            gain = SHOWN_MEAN / diffuse(folder, f"{name}_true_{percentile}").mean()
            draw.text((left, top - LABEL + 1), name.removesuffix("_1k"), (170, 170, 170), font)
            for place, picture in enumerate(pictures):
                page.paste(_shown(picture * gain), (left + place * (3 * size + GAP), top))
    return page


def _shown(light: np.ndarray) -> Image.Image:
    """Return linear light as 8-bit sRGB with a soft shoulder, so that highlights keep their shape."""
    return Image.fromarray(np.round(from_linear(1 - np.exp(-light)) * 255).astype(np.uint8))


def prepare(options: argparse.Namespace, folder: Path) -> tuple[list[str], dict[str, float]]:
    """Write the panoramas to render; return their places' names and from where each is looked at."""
    panoramas = real_panoramas(options.hdri, options.blender)
    folder.mkdir(parents=True, exist_ok=True)
    azimuths = {}
    for name, weights in left_out(panoramas, options.data):
        toward = light_vector(reduced(panoramas[name] @ LUMINANCE, 256).astype(np.float64))
        azimuth = float(np.arctan2(toward[1], toward[0]) + BESIDE_LIGHT)
        for percentile in PERCENTILES:
            srgb, truth = clipped(panoramas[name], percentile)
            ours = expand(srgb, exposure=0.0, weights=weights).radiance
            for method, light in {"true": truth, "ours": ours, "plain": to_linear(srgb)}.items():
                np.save(folder / f"{name}_{method}_{percentile}.npy", reduced(light, WIDTH))
                azimuths[f"{name}_{method}_{percentile}"] = azimuth
    return list(panoramas), azimuths


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hdri", type=Path, default=Path("../shared/hdri"))
    parser.add_argument("--blender", type=Path, help="Blender's datafiles/studiolights/world")
    parser.add_argument("--data", type=Path, default=Path("../shared/panoramas"))
    parser.add_argument("--bpy", type=Path, default=Path(".build/bpy-5.0.1/bin/python"))
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"))
    parser.add_argument("--picture", type=Path, default=Path("docs/images/balls.jpg"))
    options = parser.parse_args()
    folder = options.out / "balls"
    names, azimuths = prepare(options, folder)
    render(options.bpy, folder, azimuths, SIZE, SAMPLES)
    rows = []
    for name in names:
        row: dict[str, float | str] = {"name": name}
        for percentile in PERCENTILES:
            true = diffuse(folder, f"{name}_true_{percentile}")
            for method in ("plain", "ours"):
                row[f"{method} {percentile}"] = error(diffuse(folder, f"{name}_{method}_{percentile}"), true)
        rows.append(row)
    keys = [f"{method} {percentile}" for percentile in PERCENTILES for method in ("plain", "ours")]
    median = {"name": "median", **{key: float(np.median([float(row[key]) for row in rows])) for key in keys}}
    for row in (*rows, median):
        figures = " | ".join(f"{float(row[key]):.3f}" for key in keys)
        sys.stdout.write(f"| {str(row['name']).removesuffix('_1k')} | {figures} |\n")
    (options.out / "balls.json").write_text(json.dumps(rows, indent=2))
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    sheet(folder, names, SHOWN_PERCENTILE).save(options.picture, quality=88, optimize=True)


if __name__ == "__main__":
    main()
