# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/results.md from what benchmarks recorded in benchmarks/results: one JSON file a claim.

    make results              # the page, its curves, and the shape of the code
    python -m benchmarks.results

A file holds ``order``, ``title``, ``claim``, ``columns``, ``rows`` (texts), how they came to be (``date``,
``machine``, ``commit``, ``command``) and, where a curve says more, ``plots``. A benchmark calls ``record``.
"""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "results.md"
IMAGES = ROOT / "docs" / "images"
HEAD = """# Results

Of the present build, by `make results`. Whole tables: [experiments](experiments/README.md).
"""


def record(
    name: str,
    *,
    order: int,
    title: str,
    claim: str,
    command: str,
    columns: list[str],
    rows: list[list[str]],
    machine: str = "",
    plots: list[dict[str, Any]] | None = None,
) -> Path:
    """Write a claim's file, with today's date, this machine and the commit it was measured at."""
    content = {
        "order": order,
        "title": title,
        "claim": claim,
        "date": datetime.date.today().isoformat(),
        "machine": machine
        or f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "commit": _commit(),
        "command": command,
        "columns": columns,
        "rows": rows,
        "plots": plots or [],
    }
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _commit() -> str:
    command = ("git", "rev-parse", "--short", "HEAD")
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def recorded() -> list[dict[str, Any]]:
    """Return all claims in their order."""
    files = sorted(FOLDER.glob("*.json"))
    return sorted((json.loads(file.read_text("utf-8")) for file in files), key=lambda one: one["order"])


def page(claims: list[dict[str, Any]]) -> str:
    """Return the page's text."""
    return HEAD + "".join(_section(claim) for claim in claims)


def _section(claim: dict[str, Any]) -> str:
    source = f"{claim['date']}, {claim['machine']}, commit {claim['commit']}: `{claim['command']}`"
    table = [claim["columns"], ["---"] * len(claim["columns"]), *claim["rows"]]
    lines = [f"## {claim['title']}", f"{claim['claim']} ({source})"]
    lines += [f"![{plot['title']}](images/{plot['file']})" for plot in claim["plots"]]
    lines += ["", *(f"| {' | '.join(row)} |" for row in table)]
    return "\n".join(["", *lines, ""])


def draw(plot: dict[str, Any]) -> None:
    """Draw the curves of a claim as an SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.hashsalt"] = "syncscape"  # the same file each time
    figure = Figure(figsize=(6.4, 3.2), layout="tight")
    axes = figure.subplots()
    for curve in plot["curves"]:
        axes.plot(curve["x"], curve["y"], marker="o", label=curve["label"])
    axes.set(xlabel=plot["x"], ylabel=plot["y"], title=plot["title"], xscale=plot.get("scale", "linear"))
    axes.set_yscale(plot.get("scale", "linear"))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(IMAGES / plot["file"], format="svg", metadata={"Date": None})


def main() -> None:
    claims = recorded()
    PAGE.write_text(page(claims), encoding="utf-8")
    for plot in (plot for claim in claims for plot in claim["plots"]):
        draw(plot)


if __name__ == "__main__":
    main()
