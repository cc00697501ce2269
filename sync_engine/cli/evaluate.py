# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sync_engine evaluate``: measure pictures, for people as a table, for scripts as JSON."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sync_engine.common.errors import EngineError, describe
from sync_engine.interface.limits import KINDS
from sync_engine.interface.messages import EXIT_STATUS, FailureCode
from sync_engine.interface.wording import Message


def add_parser(commands: Any) -> None:
    """Add ``evaluate`` to the engine's command line."""
    from sync_engine.evaluation.metrics import TABLE

    known = "\n".join(f"  {name:20} {row.about}" for name, row in TABLE.items())
    evaluate = commands.add_parser(
        "evaluate",
        help="measure finished pictures",
        description="Measure finished pictures: files, folders of results, or folders of either.",
        epilog=f"metrics:\n{known}\n\ndocs/science/evaluation.md defines them and says where weights go.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument("files", nargs="+", type=Path, metavar="FILE")
    evaluate.add_argument("--metrics", metavar="LIST", help="names with commas; default: all that can be had")
    evaluate.add_argument("--prompts", type=Path, metavar="FILE", help="one line a picture, in their order")
    evaluate.add_argument("--reference", type=Path, metavar="DIR", help="pictures to compare with")
    evaluate.add_argument("--kind", choices=KINDS, help="default: from spec.json; EXR and 2:1 are worlds")
    evaluate.add_argument("--clip", metavar="DIR|ID", help="CLIP model for the CLIP score")
    evaluate.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:N|mps")
    evaluate.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Measure and print; return the exit status of the contract."""
    try:
        report = evaluate(options)
    except Exception as error:  # the boundary of the command: words, not a traceback
        failure = describe(error)
        if failure.code is FailureCode.INTERNAL:
            raise
        sys.stderr.write(f"{failure.message} {failure.hint}\n")
        return EXIT_STATUS.get(failure.code, 1)
    if options.json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    else:
        _print_tables(report)
    return 0


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of each picture and of all, and what was left out and why.

    Everything that can be wrong with the names, the prompts and the weights is found before the first
    picture is measured.
    """
    from sync_engine.evaluation import metrics, picture

    needs = metrics.Needs(options.device, options.reference, options.clip)
    files = picture.find(options.files)
    prompts = read_prompts(options.prompts, len(files)) if options.prompts else [None] * len(files)
    missing: dict[str, str] = {}
    if options.metrics:
        built = metrics.build([name.strip() for name in options.metrics.split(",") if name.strip()], needs)
    else:
        built, missing = metrics.build_possible(needs)
    if not built:
        raise EngineError(FailureCode.BAD_SPEC, "metrics: none was named.", "Leave --metrics out for all.")
    rows = []
    for file, prompt in zip(_progress(files, options.json), prompts, strict=True):
        seen = picture.read(file, options.kind, prompt)
        figures: dict[str, float] = {}
        for metric in built.values():
            figures |= metric.measure(seen)
        about = {"file": str(file), "name": seen.name, "kind": seen.kind, "prompt": seen.prompt}
        rows.append(about | figures)
    together: dict[str, float] = {}
    for metric in built.values():
        together |= metric.summary()
    return {"pictures": rows, "mean": means(rows), "set": together, "left_out": missing}


def means(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return mean, standard deviation and number of each figure over the pictures that have it."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, float))
    result = {}
    for name in names:
        values = [row[name] for row in rows if name in row]
        result[name] = {
            "mean": statistics.fmean(values),
            "spread": statistics.stdev(values) if len(values) > 1 else 0.0,
            "pictures": len(values),
        }
    return result


def read_prompts(file: Path, count: int) -> list[str]:
    """Return one prompt a picture; raise EngineError when the file does not have as many lines."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise EngineError(
            FailureCode.BAD_SPEC,
            Message("prompts = {file} cannot be read ({reason}).", file=file, reason=error),
            "Name a readable text file.",
        ) from error
    if len(lines) != count:
        raise EngineError(
            FailureCode.BAD_SPEC,
            Message(
                "prompts = {file} has {lines} lines for {pictures} pictures.",
                file=file,
                lines=len(lines),
                pictures=count,
            ),
            "Write one line a picture, in the order of the pictures.",
        )
    return lines


def _progress(files: list[Path], silent: bool) -> Iterable[Path]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    quiet = silent or not console.is_terminal
    return track(files, "measure", console=console, transient=True, disable=quiet)


def _print_tables(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = 240  # a file or a pipe has no edge
    table = Table("figure", "mean", "spread", "pictures")
    for name, row in report["mean"].items():
        table.add_row(name, f"{row['mean']:.4g}", f"{row['spread']:.2g}", str(row["pictures"]))
    for name, value in report["set"].items():
        table.add_row(name, f"{value:.4g}", "", "all")
    if len(report["pictures"]) > 1:
        each = Table("picture", *report["mean"])
        for row in report["pictures"]:
            cells = [f"{row[name]:.4g}" if name in row else "–" for name in report["mean"]]
            each.add_row(row["name"], *cells)
        console.print(each)
    console.print(table)
    for name, why in report["left_out"].items():
        console.print(f"{name}: left out. {why}", style="yellow", markup=False)
