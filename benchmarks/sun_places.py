# SPDX-License-Identifier: GPL-3.0-or-later
"""How far from where a world was asked to have its sun the light step finds it.

    python -m benchmarks.sun_places

Every world of ``benchmarks.coherence`` (16 prompts, four seeds, made where they are not there yet) whose
prompt puts a sun into the sky; prints the angles in degrees as JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.gallery import Case, Gallery, cases, read_prompts
from sync_engine.canvas.sphere import SphereCanvas, yaw_of_seed
from sync_engine.canvas.views import View
from sync_engine.prompting.sun_in_prompt import sky_of


def asked_place(case: Case, window: int) -> View | None:
    """Return where a world was asked to have its sun, None without one."""
    sky = sky_of(case.prompt.prompt, case.seed, SphereCanvas(window, turn=yaw_of_seed(case.seed)).views)
    return View(sky.azimuth, sky.elevation, 90.0) if sky and sky.body == "sun" else None


def angle_between(a: View, b: View) -> float:
    """Return the angle between two directions of view in degrees."""
    cosine = float((a.axes()[0] * b.axes()[0]).sum())
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


def measure(gallery: Gallery, wanted: list[Case]) -> dict[str, Any]:
    """Return the angle of each world asked for a sun, their median and largest, and which show no light."""
    window, angles, dark = gallery.backbone().window, {}, []
    for case in wanted:
        place = asked_place(case, window)
        if place is None:
            continue
        spec = json.loads((gallery.result(case) / "spec.json").read_text(encoding="utf-8"))
        if not spec["light"]["lights"]:
            dark.append(case.name)
            continue
        found = spec["light"]["lights"][0]
        angles[case.name] = round(angle_between(place, View(found["azimuth"], found["elevation"], 90.0)), 1)
    return {
        "angles": angles,
        "worlds": len(angles),
        "without_light": dark,
        "median": statistics.median(angles.values()),
        "largest": max(angles.values()),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/coherence"))
    parser.add_argument("--method", default="sync")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    wanted = list(cases(["world"], [options.method], read_prompts(options.prompts), options.seeds))
    report = measure(Gallery(options.out), wanted)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
