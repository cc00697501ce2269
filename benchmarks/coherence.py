# SPDX-License-Identifier: GPL-3.0-or-later
"""Methods side by side on the same prompts, seeds and steps: coherence, fidelity, realism, time.

    SYNCSCAPE_LPIPS=../shared/lpips python -m benchmarks.coherence --out out/coherence

Makes the pictures (``gallery.py``), measures them (``measure.py``) and writes ``coherence.json`` and
``coherence.md`` into OUT after every kind. What is already there is not done again, so a run can be
stopped, continued and widened. ``--prompts 4 --seeds 1 --kinds plate`` is a quick look.

The wall time is without loading and writing, in one process, the methods of one prompt and seed one
after the other; where other programs want the processor too, read the processor time.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.gallery import PLACES, Case, Gallery, Prompt, cases, read_prompts
from benchmarks.measure import Measure
from sync_engine.evaluation.kid import kid
from sync_engine.interface.limits import KINDS
from sync_engine.sync.methods import METHODS

BASE = "multidiffusion"
FLAT_ONLY = ("horizon_tilt", "horizon_wander")
"""Figures that mean something over open sea and plains only; medians, for a tree now and then."""
LEVEL = ("ocean", "meadow")
QUESTIONS = ("scene", "time", "weather")
COSTS = ("wall", "cpu", "denoise")

log = logging.getLogger(__name__)
Rows = dict[Case, dict[str, Any]]


def fidelity(rows: Rows) -> dict[str, float]:
    """Return the share of right answers to each question, of the pictures whose prompt says it.

    ``time_and_weather`` is the share over both questions together.
    """
    right: dict[str, list[bool]] = {question: [] for question in QUESTIONS}
    for case, row in rows.items():
        for question in QUESTIONS:
            asked = getattr(case.prompt, question)
            if asked is not None and row["answers"]:
                right[question].append(row["answers"][question] == asked)
    right["time_and_weather"] = right["time"] + right["weather"]
    return {question: statistics.fmean(answers) for question, answers in right.items() if answers}


def figure_means(rows: Rows) -> dict[str, float]:
    """Return the mean (of the horizon's figures the median) over the pictures that have a figure."""
    found: dict[str, list[float]] = {}
    for case, row in rows.items():
        for name, value in row["figures"].items():
            if case.prompt.flat or name not in FLAT_ONLY:
                found.setdefault(name, []).append(value)
    return {
        name: (statistics.median if name in FLAT_ONLY else statistics.fmean)(values)
        for name, values in found.items()
    }


def summarise(rows: Rows, base: Rows) -> dict[str, Any]:
    """Return a method's figures and its ratios to the base method on the same prompts and seeds."""
    figures, of_base = figure_means(rows), figure_means(base)
    ratios = {name: figures[name] / of_base[name] for name in figures if of_base.get(name)}
    partner = {(case.prompt.number, case.seed): row for case, row in base.items()}
    pairs = [(case, row, partner[case.prompt.number, case.seed]) for case, row in rows.items()]
    detail = [
        (own["figures"]["detail"] / max(other["figures"]["detail"], 1e-9), case.prompt.prompt, case.seed)
        for case, own, other in pairs
    ]
    return {
        "pictures": len(rows),
        "figures": figures,
        "ratios": ratios,
        "fidelity": fidelity(rows),
        "seconds": {name: statistics.median(row["cost"][name] for row in rows.values()) for name in COSTS},
        "time_ratios": {
            name: statistics.median(own["cost"][name] / other["cost"][name] for _, own, other in pairs)
            for name in COSTS
        },
        "detail_lost": sorted(detail)[:5],
    }


def measure_real(measure: Measure, data: Path, count: int) -> dict[str, Any]:
    """Return the same figures of rendered panoramas that nothing was trained on, and their names."""
    from training.panoramas import is_held_out, read_index

    records = [record for record in read_index(data) if is_held_out(record)][:count]
    rows: Rows = {}
    names = []
    for record in records:
        name = f"held-out/{record['id']}"
        prompt = Prompt(int(record["id"]), "", record["scene"], None, None, record["scene"] in LEVEL)
        rows[Case("world", "held-out", prompt, 0)] = measure.file(
            name, data / "ldr" / f"{record['id']}.webp", "world"
        )
        names.append(name)
    return {"pictures": len(rows), "figures": figure_means(rows), "names": names}


def compare(options: argparse.Namespace, gallery: Gallery, measure: Measure) -> dict[str, Any]:
    """Make and measure everything that the options ask for; write the report after every kind."""
    methods = list(dict.fromkeys([BASE, *options.methods]))
    prompts = read_prompts(options.prompts, options.first)
    real = measure_real(measure, options.data, options.real) if _has_panoramas(options.data) else None
    result: dict[str, Any] = {
        "model": gallery.name,
        "prompts": len(prompts),
        "first_prompt": prompts[0].prompt,
        "seeds": options.seeds,
        "real": real,
        "evaluator": measure.evaluator.about if measure.evaluator else None,
        "kinds": {},
    }
    for kind in options.kinds:
        rows: dict[str, Rows] = {method: {} for method in methods}
        todo = list(cases([kind], methods, prompts, options.seeds))
        for done, case in enumerate(todo):
            rows[case.method][case] = measure.case(gallery, case)
            if done % 10 == 9:
                log.info("%s: %d of %d pictures", kind, done + 1, len(todo))
        result["kinds"][kind] = {
            method: summarise(rows[method], rows[BASE]) | _kid(measure, gallery, rows[method], real)
            for method in methods
        }
        report.write(options.out, result)
    return result


def _has_panoramas(data: Path) -> bool:
    if (data / "index.jsonl").is_file():
        return True
    log.warning("%s has no panoramas: no figures of real ones, no KID, no realism", data)
    return False


def _kid(measure: Measure, gallery: Gallery, rows: Rows, real: dict[str, Any] | None) -> dict[str, float]:
    if real is None or not measure.whole:
        return {}
    names = [f"{gallery.name}/{case.name}" for case in rows]
    mean, _ = kid(measure.crop_features(real["names"]), measure.crop_features(names))
    return {"kid_vgg": mean}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/coherence"))
    parser.add_argument("--model", default="draft")
    parser.add_argument("--steps", type=int, help="default: the model's own")
    parser.add_argument("--prompts", type=int, default=16, help="how many of prompts.json")
    parser.add_argument("--first", type=int, default=0, help=f"from which on; {PLACES}: places only")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["world", "plate"])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[BASE, "sync"])
    parser.add_argument("--data", type=Path, default=Path("../shared/panoramas"), help="the panorama set")
    parser.add_argument("--real", type=int, default=110, help="held-out panoramas measured beside")
    parser.add_argument("--realism", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--realism-views", type=int, default=3, help="views of each held-out scene")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("sync_engine").setLevel(logging.WARNING)
    gallery = Gallery(options.out, options.model, options.steps)
    measure = Measure(options.out / "figures")
    result = compare(options, gallery, measure)
    if options.realism and measure.whole and result["real"] is not None:
        from benchmarks import realism

        scenes = options.real
        result["realism"] = realism.measure(gallery, options.data, options.out, scenes, options.realism_views)
    report.write(options.out, result)
    sys.stdout.write(json.dumps({"report": str(options.out / "coherence.md")}) + "\n")


if __name__ == "__main__":
    main()
