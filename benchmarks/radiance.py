# SPDX-License-Identifier: GPL-3.0-or-later
"""How well ``expand`` gives clipped panoramas their light back, leave-one-panorama-out.

    python -m benchmarks.radiance --blender .build/bpy-5.0.1/…/datafiles/studiolights/world

The head is fitted again without each panorama (and without its double in the other set). Writes
``radiance.json`` and prints the table of ``docs/science/light.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import results
from sync_engine.radiance.directions import LUMINANCE, irradiance, light_vector, normals, reduced
from sync_engine.radiance.expand import expand
from sync_engine.radiance.srgb import to_linear
from training.light import (
    SAME_PLACE,
    clipped,
    covered_samples,
    fit,
    plain_samples,
    procedural_samples,
    real_panoramas,
    real_samples,
    relative_error,
)

PERCENTILES = (0.99, 0.98, 0.95)


def measure(given: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return error, angle in degrees and error of contrast in stops of a radiance ``(H, W, 3)``."""
    ours, true = (reduced(reduced(p, 512) @ LUMINANCE, 256).astype(np.float64) for p in (given, truth))
    around = normals()
    shaded, lit = irradiance(ours, around), irradiance(true, around)
    first, second = light_vector(ours), light_vector(true)
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    contrast = np.log2(shaded.max() / shaded.min()) - np.log2(lit.max() / lit.min())
    return {
        "rmse": relative_error(shaded, lit),
        "direction": float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
        "contrast": float(abs(contrast)),
    }


def left_out(panoramas: dict[str, np.ndarray], data: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield each panorama's name and the head's coefficients, fitted without that panorama's place."""
    of_places = real_samples(panoramas) + covered_samples(panoramas)
    made = procedural_samples(data) + plain_samples()
    for name in panoramas:
        yield name, fit([item for item in of_places if item.place != SAME_PLACE.get(name, name)] + made)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hdri", type=Path, default=Path("../shared/hdri"))
    parser.add_argument("--blender", type=Path, help="Blender's datafiles/studiolights/world")
    parser.add_argument("--data", type=Path, default=Path("../shared/panoramas"))
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"))
    parser.add_argument("--record", action="store_true", help="for docs/results.md")
    options = parser.parse_args()
    panoramas = real_panoramas(options.hdri, options.blender)
    rows = []
    for name, weights in left_out(panoramas, options.data):
        for percentile in PERCENTILES:
            srgb, truth = clipped(panoramas[name], percentile)
            plain = measure(to_linear(srgb), truth)
            made_light = expand(srgb, exposure=0.0, weights=weights)
            ours = measure(made_light.radiance, truth)
            k = made_light.report["k"]
            rows.append({"name": name, "percentile": percentile, "k": k, "plain": plain, "ours": ours})
    table = []
    for percentile in PERCENTILES:
        pairs: dict[str, list[str]] = {}
        chosen = [row for row in rows if row["percentile"] == percentile]
        for method in ("plain", "ours"):
            figures = {key: np.median([row[method][key] for row in chosen]) for key in chosen[0][method]}
            ratios = [row[method]["rmse"] / row["plain"]["rmse"] for row in chosen]
            worse = sum(ratio > 1.1 for ratio in ratios)
            words = (f"{figures['rmse']:.3f}", f"{figures['direction']:.1f}°", f"{figures['contrast']:.2f}")
            for name, word in zip(figures, words, strict=True):
                pairs.setdefault(name, []).append(word)
            sys.stdout.write(
                f"| {percentile} | {method} | {figures['rmse']:.3f} | {figures['direction']:.1f}° "
                f"| {figures['contrast']:.2f} | {max(ratios):.2f} | {worse} |\n"
            )
        table.append([f"{percentile}", *(", ".join(words) for words in pairs.values()), f"{max(ratios):.2f}"])
    if options.record:
        results.record(
            "light",
            order=70,
            title="Clipped light comes back",
            claim=f"{len(panoramas)} real panoramas, the head fitted without each: medians, ours and plain.",
            command="python -m benchmarks.radiance --record",
            columns=[
                "clipped at",
                "irradiance RMSE: plain, ours",
                "direction: plain, ours",
                "contrast, stops: plain, ours",
                "worst case over plain",
            ],
            rows=table,
        )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "radiance.json").write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
