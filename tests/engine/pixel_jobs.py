# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs whose pixels a change of the code's structure must not change, and their hashes.

    python -m tests.engine.pixel_jobs [--small] [--out hashes.json]

prints a SHA-256 of every picture's pixels. Two commits agree on one machine where all lines are the same;
another processor rounds otherwise, so ``test_same_pixels.py`` compares small pictures with a tolerance.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SMALL_PLATE = {"kind": "plate", "width": 256, "height": 128, "seed": 3, "prompt": "a calm sea", "steps": 4}
DRAFT = {"model": "draft", "prompt": "sunset over a desert, clear sky", "seed": 7}
FAMILIES = ("sd", "xl", "z-image", "klein")
"""Small models with random weights, one a family, see ``build``."""


def jobs(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the specs by name; small ones name their random model's folder below ``folder``."""
    small = {f"small-{name}": {**SMALL_PLATE, "model": str(folder / name)} for name in FAMILIES}
    small["small-sd-blended"] = {**small["small-sd"], "method": "blended"}
    small["small-sd-world"] = {**small["small-sd"], "kind": "world", "height": None}
    plate = {**DRAFT, "kind": "plate", "width": 768, "height": 256}
    draft = {
        "draft-world": {**DRAFT, "width": 512},
        "draft-world-multidiffusion": {**DRAFT, "width": 512, "method": "multidiffusion"},
        "draft-world-zenith": {**DRAFT, "width": 512, "prompt_zenith": "a night sky full of stars"},
        "draft-world-equirectangular": {**DRAFT, "width": 512, "projection": "equirectangular"},
        "draft-plate": plate,
        "draft-plate-multidiffusion": {**plate, "method": "multidiffusion"},
        "draft-plate-blended": {**plate, "method": "blended"},
        "draft-plate-paper": {**plate, "method": "sync-paper", "width": 384, "steps": 4},
        "draft-world-detail": {**DRAFT, "width": 2048, "steps": 6},
    }
    usual = {"device": "cpu", "precision": "fp32"}
    return {name: {**spec, **usual} for name, spec in {**small, **draft}.items()}


def build(folder: Path) -> None:
    """Write the small models of ``FAMILIES`` into a folder."""
    from tests.small_models import tiny, tiny_flow, tiny_xl

    tiny.build(folder / "sd")
    tiny_xl.build(folder / "xl")
    tiny_flow.build_z_image(folder / "z-image")
    tiny_flow.build_klein(folder / "klein")


def pixels(spec: dict[str, Any], out: Path) -> np.ndarray:
    """Make the picture of a spec with the command line and return its pixels ``(H, W, 3)``, float32."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "wanted.json"
    file.write_text(json.dumps(spec))
    command = [
        sys.executable,
        "-m",
        "sync_engine",
        "generate",
        "--spec",
        str(file),
        "--out",
        str(out / "result"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{spec}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return read(out / "result", spec.get("kind", "world"))


def read(folder: Path, kind: str) -> np.ndarray:
    """Return the pixels of a result, float32."""
    if kind == "plate":
        from PIL import Image

        return np.asarray(Image.open(folder / "plate.png"), dtype=np.float32)
    import OpenEXR

    with OpenEXR.File(str(folder / "world.exr")) as file:
        return np.array(file.channels()["RGB"].pixels, dtype=np.float32)


def main() -> None:
    """Print the hash of every job."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--small", action="store_true", help="those of the random models only")
    options.add_argument("--out", type=Path, help="a JSON file for the hashes")
    chosen = options.parse_args()
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        for job, spec in jobs(folder).items():
            if chosen.small and not job.startswith("small"):
                continue
            found[job] = hashlib.sha256(pixels(spec, folder / "out" / job).tobytes()).hexdigest()
            sys.stdout.write(f"{found[job][:16]}  {job}\n")
            sys.stdout.flush()
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
