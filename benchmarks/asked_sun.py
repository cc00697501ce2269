# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds whose prompts ask for a sun, without it and with it, over the two balls of the demo in real Blender.

    python -m benchmarks.asked_sun

Paints three worlds with the bundled model (kept in ``out/asked_sun``), lights each picture as if its sun's
strength were not known, and as it is, and writes ``docs/images/known-sun.jpg``: left without, right with.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from sync_engine.canvas.sphere import SphereCanvas, yaw_of_seed
from sync_engine.catalog.models import DRAFT_FOLDER
from sync_engine.evaluation.picture import read
from sync_engine.prompting.sun_in_prompt import known_light, sky_of
from sync_engine.prompting.view_prompts import light_phrases
from sync_engine.radiance.expand import expand
from sync_engine.runtime.output import write_exr

ROOT = Path(__file__).resolve().parents[1]
PROMPTS = (
    "meadow, noon, white clouds",
    "sunset over a desert, clear sky",
    "tropical beach, midday, clear sky",
)
SHOWN = (480, 270)


def paint(folder: Path, prompt: str, seed: int) -> None:
    """Let the engine paint a world without light into a folder, unless it is there."""
    if not folder.is_dir():
        command = [sys.executable, "-m", "sync_engine", "generate", "--prompt", prompt, "--ldr"]
        subprocess.run([*command, "--seed", str(seed), "--out", str(folder)], check=True)


def light(folder: Path, prompt: str, seed: int) -> list[Path]:
    """Write a world's EXR without what is known of its sun's strength, and with it; return both.

    Raises ValueError for a prompt that asks for no sun.
    """
    window = json.loads((DRAFT_FOLDER / "unet" / "config.json").read_text(encoding="utf-8"))["sample_size"]
    srgb = read(folder / "world.exr").pixels.permute(1, 2, 0).numpy()
    asked = sky_of(prompt, seed, SphereCanvas(window, turn=yaw_of_seed(seed)).views)
    sky = known_light(prompt, asked, light_phrases(DRAFT_FOLDER))
    if sky is None or sky.strength == 0:
        raise ValueError(f"{prompt!r} asks for no sun")
    files = []
    for name, known in (("without", sky._replace(strength=0.0)), ("with", sky)):
        file = folder.parent / f"{folder.name}-{name}.exr"
        write_exr(file, expand(srgb, sky=known).radiance, {})
        files.append(file)
    return files


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bpy", type=Path, default=Path(".build/bpy-5.0.1/bin/python"))
    parser.add_argument("--out", type=Path, default=Path("out/asked_sun"))
    parser.add_argument("--picture", type=Path, default=Path("docs/images/known-sun.jpg"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files: list[Path] = []
    for number, prompt in enumerate(PROMPTS):
        folder = options.out.resolve() / str(number)
        paint(folder, prompt, options.seed)
        files += light(folder, prompt, options.seed)
    jobs = [{"world": str(file), "picture": str(file.with_suffix(".png"))} for file in files]
    (options.out / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    isolated = os.environ | {"BLENDER_USER_RESOURCES": str((options.out / "user").resolve())}
    script = [str(options.bpy.absolute()), "-m", "benchmarks.asked_sun_in_blender"]
    command = [*script, str((options.out / "jobs.json").resolve())]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=isolated, cwd=ROOT)
    shown = [np.asarray(Image.open(job["picture"]).convert("RGB").resize(SHOWN)) for job in jobs]
    rows = [np.concatenate(pair, axis=1) for pair in zip(shown[::2], shown[1::2], strict=True)]
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(options.picture, quality=88, optimize=True)


if __name__ == "__main__":
    main()
