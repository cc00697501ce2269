# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the shape of the code: rooms of the engine, imports between them, circles, lines, repeats.

    python -m tools.structure                 # of the files here
    python -m tools.structure be3dd72         # of a commit
    python -m tools.structure --record be3dd72   # both, as the table of docs/results.md

A room is a folder of ``sync_engine``, or a file beside them. An arrow leads from a room to one that it
imports, late ones too, but not those for types alone; *upward* are the fewest arrows that stand against any
order of the rooms, *circles* the groups that import each other in a ring. Repeated lines stand in a run of
six or more that another place has too, imports, comments and empty lines left out.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import subprocess
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENGINE = "sync_engine"
OUTSIDE = ("tests/", "training/", "benchmarks/", "tools/", "demo/", "presets/", "translations/")
"""Not the product's own code, so not counted in lines and repeats."""
RUN = 6
Graph = dict[str, set[str]]


def sources(revision: str | None = None) -> dict[str, str]:
    """Return the Python files of a commit, or of the working tree, by their path."""
    if revision:
        command = ("git", "archive", revision)
        packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            files = [(m.name, archive.extractfile(m)) for m in archive.getmembers() if m.name.endswith(".py")]
            return {name: file.read().decode() for name, file in files if file}
    listed = subprocess.run(("git", "ls-files", "*.py"), cwd=ROOT, capture_output=True, text=True, check=True)
    return {
        name: (ROOT / name).read_text("utf-8") for name in listed.stdout.split() if (ROOT / name).is_file()
    }


def imports(files: dict[str, str]) -> Graph:
    """Return which files of the repository each file imports."""
    graph: Graph = {name: set() for name in files}
    for name, text in files.items():
        package = name.split("/")[:-1]
        for node in _run_imports(ast.parse(text)):
            if isinstance(node, ast.Import):
                graph[name] |= {
                    found for alias in node.names for found in _file(alias.name.split("."), files)
                }
            elif isinstance(node, ast.ImportFrom):
                start = package[: len(package) - node.level + 1] if node.level else []
                module = [*start, *(node.module.split(".") if node.module else [])]
                for alias in node.names:
                    graph[name] |= set(_file([*module, alias.name], files) or _file(module, files))
    return {name: found - {name} for name, found in graph.items()}


def _run_imports(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a file, but for what only the type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")):
            yield node
            yield from _run_imports(node)


def _file(module: list[str], files: dict[str, str]) -> list[str]:
    path = "/".join(module)
    return [found for found in (f"{path}.py", f"{path}/__init__.py") if found in files]


def rooms(files: Graph) -> Graph:
    """Return the arrows between the engine's rooms."""
    found: Graph = {}
    for name, targets in files.items():
        if room := _room(name):
            found.setdefault(room, set()).update({_room(target) for target in targets} - {"", room})
    return found


def _room(name: str) -> str:
    parts = name.split("/")
    loose = len(parts) == 2 and parts[1] != "__init__.py"
    return "" if parts[0] != ENGINE or len(parts) < 2 or (len(parts) == 2 and not loose) else parts[1]


def circles(graph: Graph) -> list[set[str]]:
    """Return the groups of more than one node that all reach each other."""
    reach = {node: _reachable(graph, node) for node in graph}
    groups = {frozenset(o for o in reach[node] | {node} if node in reach.get(o, ())) for node in graph}
    return [set(group) for group in groups if len(group) > 1]


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def upward(graph: Graph) -> int:
    """Return the fewest arrows that stand against an order of the nodes, whatever the order."""
    return sum(_against(graph, sorted(group)) for group in circles(graph))


def _against(graph: Graph, nodes: list[str]) -> int:
    """The fewest within one circle: the best order of every subset, from the smaller ones (2^n steps)."""
    outward = [sum(1 << nodes.index(target) for target in graph[node] if target in nodes) for node in nodes]
    best = [0] * (1 << len(nodes))
    for subset in range(1, 1 << len(nodes)):
        # The last of the subset stands above the others: each of them that it is imported by counts.
        best[subset] = min(
            best[rest]
            + sum(1 for other in range(len(nodes)) if rest >> other & 1 and outward[other] >> last & 1)
            for last in range(len(nodes))
            if subset >> last & 1
            for rest in (subset ^ (1 << last),)
        )
    return best[-1]


def repeated_lines(files: Iterable[str]) -> int:
    """Return how many lines stand in a run of six or more that is somewhere else too."""
    runs: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for number, text in enumerate(files):
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith(("#", "import ", "from "))]
        for at in range(len(lines) - RUN + 1):
            runs[tuple(lines[at : at + RUN])].append((number, at))
    places = [place for found in runs.values() if len(found) > 1 for place in found]
    return len({(number, at + ahead) for number, at in places for ahead in range(RUN)})


def figures(revision: str | None = None) -> dict[str, int | str]:
    """Return the rows of the table by their names."""
    files = sources(revision)
    own = {name: text for name, text in files.items() if not name.startswith(OUTSIDE)}
    graph = imports(own)
    house = rooms(graph)
    lines = {name: text.count("\n") for name, text in own.items()}
    longest = max(lines, key=lambda name: lines[name])
    return {
        "rooms of the engine": len(house),
        "of these upward": upward(house),
        "circles of rooms, of files": f"{len(circles(house))}, {len(circles(graph))}",
        "files; lines": f"{len(own)}; {sum(lines.values())}",
        "longest file": f"{lines[longest]} (`{longest}`)",
        "repeated lines": repeated_lines(own.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revision", nargs="?")
    parser.add_argument("--record", action="store_true", help="write the table of docs/results.md")
    options = parser.parse_args()
    if not options.record:
        sys.stdout.write(json.dumps(figures(options.revision), indent=2) + "\n")
        return
    from benchmarks import results

    before, after = figures(options.revision), figures()
    results.record(
        "structure",
        order=90,
        title="The code's own shape",
        claim="Fewer rooms, no import that runs upward, no circles.",
        command=f"python -m tools.structure --record {options.revision}",
        columns=["", f"before ({options.revision})", "now"],
        rows=[[name, str(before[name]), str(after[name])] for name in before],
    )


if __name__ == "__main__":
    main()
