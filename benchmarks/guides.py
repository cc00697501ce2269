# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions and suns: whether what was asked for is there, and what a region costs.

    SYNCSCAPE_LPIPS=../shared/lpips python -m benchmarks.guides regions
    python -m benchmarks.guides suns

Worlds are kept in OUT and made where they are not there yet, so that a run goes on where it stopped;
``--most`` makes no more than so many. A cell is a narrow view; the evaluator names the scene that it shows.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks import results
from benchmarks.sun_places import angle_between
from sync_engine.canvas.views import View, cut_view
from sync_engine.common.progress import Reporter
from sync_engine.evaluation.picture import read
from sync_engine.interface.guides import Guide, Region, Sun
from sync_engine.interface.spec import EnvironmentSpec

PLACES = (
    ("desert at noon, clear sky", "desert", "forest at noon, clear sky", "forest"),
    ("ocean in the afternoon, scattered clouds", "ocean", "red rock canyon, afternoon", "canyon"),
    ("meadow at noon, partly cloudy", "meadow", "city street at noon, partly cloudy", "city"),
    ("snowy arctic landscape, morning, clear sky", "arctic", "forest in the morning, clear sky", "forest"),
    ("tropical beach, afternoon, clear sky", "beach", "city street, afternoon, clear sky", "city"),
    ("red rock canyon, morning, clear sky", "canyon", "forest in the morning, clear sky", "forest"),
    ("forest in the afternoon, scattered clouds", "forest", "red rock canyon, afternoon", "canyon"),
    ("desert in the morning, scattered clouds", "desert", "city street, morning", "city"),
    ("ocean at noon, clear sky", "ocean", "tropical forest at noon, clear sky", "forest"),
    ("meadow in the afternoon, clear sky", "meadow", "sandy desert, afternoon, clear sky", "desert"),
    ("snowy arctic landscape at noon, overcast", "arctic", "city street at noon, overcast", "city"),
    ("mountain lake in the morning, clear sky", "lake", "forest in the morning, clear sky", "forest"),
)
"""Prompt and scene of the whole, prompt and scene of the region."""
RADIUS, CELL_FOV = 35.0, 40.0
"""Of a region, and of a cell in degrees."""
WITHIN, APART = 15.0, 70.0
"""A cell inside has its centre within the first angle of the region's, one outside beyond the second."""
DAYS = ("desert, clear sky", "meadow, clear sky", "ocean, scattered clouds", "mountains, clear sky")
SUN_ELEVATIONS = (8.0, 20.0, 35.0, 55.0)
SUNS = 24
SIZE = 1024
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """One world."""

    name: str
    prompt: str
    seed: int
    guides: tuple[Guide, ...]
    scenes: tuple[str, str] = ("", "")


def region_cases(seeds: int) -> Iterator[Case]:
    """Yield the worlds with a region and, of every third first seed, the same without."""
    for seed in range(seeds):
        for number, (prompt, scene, part, part_scene) in enumerate(PLACES):
            azimuth = 360 / 12 * number + 15 * seed - 180
            region = Region(prompt=part, azimuth=azimuth, elevation=5.0, radius=RADIUS)
            yield Case(f"region-{number:02d}-{seed}", prompt, 40 + seed, (region,), (scene, part_scene))
            if seed == 0 and number % 3 == 0:
                yield Case(f"without-{number:02d}-{seed}", prompt, 40, (), (scene, part_scene))


def sun_cases(_seeds: int) -> Iterator[Case]:
    """Yield worlds whose suns stand all round."""
    for number in range(SUNS):
        sun = Sun(azimuth=360 / SUNS * number - 180, elevation=SUN_ELEVATIONS[number % len(SUN_ELEVATIONS)])
        yield Case(f"sun-{number:02d}", DAYS[number // 4 % len(DAYS)], 60 + number, (sun,))


class Worlds:
    """Makes worlds in this process, and finds those made before."""

    def __init__(self, out: Path, most: int) -> None:
        from sync_engine.runtime.job import Engine

        self.out, self.left, self.engine = out, most, Engine()

    def folder(self, case: Case) -> Path | None:
        """Return the folder of a world; None where no more are to be made."""
        folder = self.out / case.name
        if (folder / "cost.json").is_file():
            return folder
        if self.left == 0:
            return None
        self.left -= 1
        spec = EnvironmentSpec(case.prompt, width=SIZE, seed=case.seed, guides=case.guides).validated()
        cpu = time.process_time()
        _, seconds = self.engine.run(spec, folder, Reporter("guides", lambda event: None, False))
        spent = time.process_time() - cpu - seconds["load"]
        (folder / "cost.json").write_text(json.dumps({"cpu": spent, "denoise": seconds["denoise"]}))
        log.info("%s: %.0f s", case.name, spent)
        return folder


def cells(case: Case) -> tuple[list[View], list[View]]:
    """Return the cells inside of a world's region and outside of it."""
    (region,) = case.guides
    assert isinstance(region, Region)
    centre = View(region.azimuth or 0.0, region.elevation or 0.0, CELL_FOV)
    near = [
        View(centre.azimuth + x, centre.elevation + y, CELL_FOV)
        for x, y in ((0, 0), (-WITHIN, 0), (WITHIN, 0), (0, WITHIN), (0, -WITHIN))
    ]
    ring = [View(azimuth, centre.elevation, CELL_FOV) for azimuth in range(-180, 180, 20)]
    return near, [view for view in ring if angle_between(view, centre) >= APART]


def measure_regions(found: list[tuple[Case, Path]]) -> tuple[list[list[str]], dict[str, Any]]:
    """Return the table of the regions and all figures."""
    from sync_engine.sync.feature_nets import lpips_weights
    from training.evaluator import Evaluator

    weights = lpips_weights("vgg")
    if weights is None:
        raise SystemExit("SYNCSCAPE_LPIPS names no folder with vgg.safetensors")
    evaluator = Evaluator(weights)
    shown: dict[str, dict[str, list[str]]] = {}
    figures: dict[str, list[float]] = {
        "inside": [],
        "outside": [],
        "without": [],
        "rest": [],
        "rest without": [],
    }
    with_region = {case.name: case for case, _ in found if case.guides}
    for case, folder in found:
        placed = with_region.get(case.name.replace("without", "region"))
        if placed is None:
            continue
        picture = read(folder / "world.exr").pixels * 2 - 1
        seen = [
            [evaluator.judge(cut_view(picture, view, 256))["scene"] for view in views]
            for views in cells(placed)
        ]
        shown[case.name] = {"inside": seen[0], "outside": seen[1]}
        scene, part = case.scenes
        if case.guides:
            figures["inside"] += [float(name == part) for name in seen[0]]
            figures["outside"] += [float(name == part) for name in seen[1]]
            figures["rest"] += [float(name == scene) for name in seen[1]]
        else:
            figures["without"] += [float(name == part) for name in seen[0]]
            figures["rest without"] += [float(name == scene) for name in seen[1]]
    costs = {case.name: json.loads((folder / "cost.json").read_text())["cpu"] for case, folder in found}
    ratios = [
        cost / costs[name.replace("region", "without")]
        for name, cost in costs.items()
        if name.replace("region", "without") in costs and name.startswith("region")
    ]
    share = (1 - math.cos(math.radians(RADIUS))) / 2
    rows = [
        ["region's scene inside", _percent(figures["inside"]), "75 %"],
        ["the same cells without it", _percent(figures["without"]), ""],
        ["region's scene outside", _percent(figures["outside"]), "at most 15 %"],
        [
            "the whole's scene outside, with; without",
            f"{_percent(figures['rest'])}; {_percent(figures['rest without'])}",
            "no lower",
        ],
        [
            "processor time over that without, median",
            f"{statistics.median(ratios):.2f}" if ratios else "",
            f"{(1 + share) * 1.1:.2f} by the region's own share",
        ],
    ]
    return rows, {"shown": shown, "ratios": ratios, "worlds": len(with_region)}


def measure_suns(found: list[tuple[Case, Path]]) -> tuple[list[list[str]], dict[str, Any]]:
    """Return the table of the suns and all angles."""
    angles = {}
    for case, folder in found:
        (sun,) = case.guides
        assert isinstance(sun, Sun)
        lights = json.loads((folder / "spec.json").read_text(encoding="utf-8"))["light"]["lights"]
        asked = View(sun.azimuth or 0.0, sun.elevation or 0.0, 90.0)
        places = [View(light["azimuth"], light["elevation"], 90.0) for light in lights[:1]]
        angles[case.name] = round(angle_between(asked, places[0]), 2) if places else 180.0
    near = [angle <= 5 for angle in angles.values()]
    worst = max(angles.values(), default=0.0)
    return [
        ["sun within 5° of where it was asked", _percent(near), "90 %"],
        ["median; largest angle", f"{statistics.median(angles.values()):.1f}°; {worst:.1f}°", ""],
    ], {"angles": angles, "worlds": len(angles)}


def _percent(values: list[Any]) -> str:
    return f"{100 * float(np.mean(values)):.0f} %" if values else ""


def contact_sheet(found: list[tuple[Case, Path]], path: Path, columns: int) -> None:
    """Write all worlds as one picture."""
    tiles = [Image.open(folder / "preview.png").convert("RGB").resize((320, 160)) for _, folder in found]
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * 322, rows * 162))
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % columns * 322, number // columns * 162))
    sheet.save(path, quality=80)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("regions", "suns"))
    parser.add_argument("--out", type=Path, default=Path("out/guides"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--most", type=int, default=10**6, help="worlds to make now")
    parser.add_argument("--record", action="store_true", help="for docs/results.md, with its contact sheet")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(0)
    cases, measure = (
        (region_cases, measure_regions) if options.what == "regions" else (sun_cases, measure_suns)
    )
    worlds = Worlds(options.out, options.most)
    made = [(case, worlds.folder(case)) for case in cases(options.seeds)]
    found = [(case, folder) for case, folder in made if folder is not None]
    rows, report = measure(found)
    sys.stdout.write(json.dumps({"rows": rows} | report, indent=1) + "\n")
    if options.record:
        claims = {
            "regions": ("A part is what it was asked to be", 81),
            "suns": ("The sun stands where it was asked", 82),
        }
        title, order = claims[options.what]
        results.record(
            f"guides-{options.what}",
            order=order,
            title=title,
            claim=f"{report['worlds']} worlds of 1024 × 512, draft model; they chose no setting.",
            command=f"python -m benchmarks.guides {options.what}",
            columns=["", "measured", "aim"],
            rows=rows,
        )
        with_guides = [(case, folder) for case, folder in found if case.guides]
        contact_sheet(with_guides, results.IMAGES / f"sheet-{options.what}.webp", 4)


if __name__ == "__main__":
    main()
