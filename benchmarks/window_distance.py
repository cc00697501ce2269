# SPDX-License-Identifier: GPL-3.0-or-later
"""How alike the views of one panorama are, beside views of different ones of the same description.

    SYNCSCAPE_LPIPS=../shared/lpips python -m benchmarks.window_distance --out out/coherence

LPIPS-VGG of all pairs of horizon views within a panorama, over that of pairs between two panoramas: of
rendered ones of the same scene, time and weather, of the same scene alone, and of the worlds that
``benchmarks.coherence`` has made, by prompt and method. 1 means that a panorama's views are as unlike as
if each had been painted for itself; the rendered ones tell what the world's own coherence comes to.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from benchmarks.gallery import fingerprint
from sync_engine.evaluation import picture
from sync_engine.evaluation.features import LpipsNet, lpips_net
from training.evaluator import TIMES
from training.panoramas import Record, read_index

PAIRS_PER_GROUP = 4
Layers = list[list[torch.Tensor]]


def mean_distance(net: LpipsNet, a: Layers, b: Layers) -> float:
    """Return the mean LPIPS between the views of two panoramas; of one, of its different views."""
    pairs = itertools.combinations(a, 2) if a is b else itertools.product(a, b)
    return statistics.fmean(float(net.lpips(x, y)) for x, y in pairs)


def compare(net: LpipsNet, groups: list[list[Path]], pairs: int) -> dict[str, float]:
    """Return ``within``, ``between`` and their ratio over pairs of panoramas, each pair of one group."""
    drawn = random.Random(1)
    chosen: list[tuple[Path, Path]] = []
    for group in groups:
        every = list(itertools.combinations(group, 2))
        chosen += drawn.sample(every, min(PAIRS_PER_GROUP, len(every)))
    chosen = drawn.sample(chosen, min(pairs, len(chosen)))
    within, between = [], []
    for pair in chosen:
        a, b = (net.layers(picture.read(path, "world").crops) for path in pair)
        within += [mean_distance(net, a, a), mean_distance(net, b, b)]
        between.append(mean_distance(net, a, b))
    own, other = statistics.fmean(within), statistics.fmean(between)
    return {"pairs": len(chosen), "within": own, "between": other, "ratio": own / other}


def by(records: Iterable[Record], key: Callable[[Record], Any]) -> list[list[Path]]:
    """Return the pictures of records in groups of the same key."""
    groups: dict[Any, list[Path]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record["picture"])
    return list(groups.values())


def described(record: Record) -> tuple[str, str, str]:
    """Return scene, time as a picture can tell it, and weather."""
    time = next((name for name, times in TIMES.items() if record["time"] in times), "none")
    return record["scene"], time, record["weather"]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/coherence"), help="of benchmarks.coherence")
    parser.add_argument("--data", type=Path, default=Path("../shared/panoramas"), help="the panorama set")
    parser.add_argument("--pairs", type=int, default=100, help="pairs of panoramas a row, at most")
    options = parser.parse_args()
    net, records = lpips_net("vgg", torch.device("cpu")), read_index(options.data)
    rows = {
        "rendered, same scene, time and weather": by(records, described),
        "rendered, same scene": by(records, lambda record: record["scene"]),
    }
    worlds = options.out / "pictures" / f"draft-{fingerprint('draft', None)}" / "world"
    for method in sorted(path.name for path in worlds.iterdir()) if worlds.is_dir() else ():
        made = sorted((worlds / method).glob("*/world.exr"))
        prompts = itertools.groupby(made, lambda path: path.parent.name.partition("-")[0])
        rows[f"worlds, {method}, same prompt"] = [list(group) for _, group in prompts]
    for name, groups in rows.items():
        found = compare(net, groups, options.pairs)
        sys.stdout.write(json.dumps({"pictures": name} | found) + "\n")


if __name__ == "__main__":
    main()
