# SPDX-License-Identifier: GPL-3.0-or-later
"""The walls of the house: who may import what."""

from __future__ import annotations

import ast
import graphlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "sync_engine"
DOOR = [ENGINE / "interface", ENGINE / "host", ENGINE / "installer"]
"""What Blender's process may import of the engine."""
METHODS = [ENGINE / "sync" / "feature_nets.py", ENGINE / "sync" / "method.py"]
METHODS += sorted((ENGINE / "sync" / "methods").glob("*.py"))
"""What the door finds by its place: the top of these files imports the standard library and the door only,
their functions import what is heavy."""
BLENDER_SIDE = ("engine", "operators", "panels", "scene", "settings", "translations")
BLENDER_FILES = ("api.py", "preferences.py")
NOT_YET: set[tuple[str, str]] = set()
"""Arrows between the engine's rooms that close a circle and are still to go."""
PROBE = """
import importlib, sys
before = set(sys.modules)
for name in sys.argv[1:]:
    importlib.import_module(name)
sys.stdout.write("\\n".join(sorted(set(sys.modules) - before)))
"""


def imported_by(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (level, module) of every import in a file, wherever it stands in it."""
    yield from _imports_in(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def _imports_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield from ((node.level, f"{module}.{alias.name}".strip(".")) for alias in node.names)


def imported_at_the_top(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (level, module) of the imports that run when a file is imported."""
    for node in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


def files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found
    return found


def door() -> list[Path]:
    return [path for folder in DOOR for path in files(folder)]


@pytest.mark.parametrize("path", door(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_door_imports_itself_and_the_standard_library(path) -> None:
    own = {file.stem for file in files(path.parent)}
    behind = {f"interface.{file.stem}" for file in files(DOOR[0])} if path.parent != DOOR[0] else set()
    for level, module in imported_by(path):
        first = module.split(".")[0]
        if level == 0:  # absolute: as part of the extension it has another name, so not itself
            assert first in sys.stdlib_module_names, f"{path.name} imports {module}"
        elif level == 1:
            assert first in own, f"{path.name} imports {module}"
        else:
            assert level == 2, f"{path.name} reaches out of the engine for {module}"
            assert ".".join(module.split(".")[:2]) in behind, (
                f"{path.name} reaches out of the door for {module}"
            )


@pytest.mark.parametrize("path", METHODS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_methods_import_the_standard_library_at_their_top(path) -> None:
    own = {"", "feature_nets", "method", "interface.method_facts"}
    for level, module in imported_at_the_top(path):
        if level == 0:
            assert module.split(".")[0] in sys.stdlib_module_names, f"{path.name} imports {module}"
        else:
            assert module in own, f"{path.name} imports {module}"


def test_importing_the_door_loads_only_the_standard_library() -> None:
    paths = [path for path in (*door(), *METHODS) if path.stem != "__init__"]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    packages = {"sync_engine", *(name.rpartition(".")[0] for name in names)}
    run = subprocess.run(
        [sys.executable, "-c", PROBE, *names],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(run.stdout.split())
    assert set(names) <= loaded
    foreign = {
        name
        for name in loaded
        if name.split(".")[0] not in sys.stdlib_module_names and name not in (*packages, *names)
    }
    assert not foreign


def test_interface_works_as_part_of_another_package(tmp_path) -> None:
    package = tmp_path / "bl_ext" / "syncscape"
    package.mkdir(parents=True)
    (package / "sync_engine").symlink_to(ENGINE, target_is_directory=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    run = subprocess.run(
        [sys.executable, "-S", "-c", PROBE, "bl_ext.syncscape.sync_engine.host.client"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "bl_ext.syncscape.sync_engine.interface.spec" in run.stdout.split()
    assert not [name for name in run.stdout.split() if name.startswith("sync_engine")]


@pytest.mark.parametrize("path", files(ENGINE), ids=lambda path: str(path.relative_to(ENGINE)))
def test_engine_knows_nothing_of_blender(path) -> None:
    blender = {"bpy", "bl_ext", "mathutils", "bmesh", "gpu", "blf", "bpy_extras", "imbuf"}
    for level, module in imported_by(path):
        assert level > 0 or module.split(".")[0] not in blender, f"{path.name} imports {module}"
        depth = len(path.relative_to(ENGINE).parts)
        assert level <= depth, f"{path.name} reaches out of the engine for {module}"


def arrows(paths: list[Path], root: Path) -> dict[str, set[str]]:
    """Return which of some files each of them imports, wherever the import stands in it.

    A file is named as a module below ``root``, a package by its folder. What two files import only for
    the checker of types (``if TYPE_CHECKING``) ties none to the other.
    """
    names = {_module(path, root): path for path in paths}
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found[name] = set()
        for level, module in _imported_for_use(path):
            parts = package.split(".") if package else []
            base = parts[: len(parts) - level + 1] if level else []
            wanted = ".".join([*base, module]).strip(".")
            while wanted and wanted not in names:
                wanted = wanted.rpartition(".")[0]
            if wanted and wanted != name:
                found[name].add(wanted)
    return found


def _module(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported_for_use(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    yield from _imports_in(tree)


def circle_in(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the names along a circle of a graph, the first again at its end; empty without one."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def blenders_files() -> list[Path]:
    found = [path for folder in BLENDER_SIDE for path in files(ROOT / folder)]
    return found + [ROOT / name for name in BLENDER_FILES]


def test_blenders_side_has_no_circle() -> None:
    graph = arrows(blenders_files(), ROOT)
    assert "engine.link" in graph["operators.generate"], "the arrows are found"
    assert circle_in(graph) == []


def test_what_is_done_to_a_scene_knows_no_user_interface() -> None:
    graph = arrows(blenders_files(), ROOT)
    for name in graph:
        if name.split(".")[0] == "scene":
            assert {other.split(".")[0] for other in graph[name]} <= {"scene"}, name


def test_the_engines_files_have_no_circle() -> None:
    assert circle_in(arrows(files(ENGINE), ROOT)) == []


def test_the_engines_rooms_have_no_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for name, others in arrows(files(ENGINE), ROOT).items():
        here = name.split(".")[1] if "." in name else name
        for other in others:
            there = other.split(".")[1] if "." in other else other
            if here != there and (here, there) not in NOT_YET:
                rooms.setdefault(here, set()).add(there)
    assert "interface" in rooms["host"]
    assert circle_in(rooms) == []


def test_circles_would_be_noticed(tmp_path) -> None:
    for name, text in {
        "a": "from typing import TYPE_CHECKING\nfrom .b import f\n",
        "b": "def f():\n    from . import c\n",
        "c": "from .a import f\n",
        "d": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import f\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    graph = arrows(sorted(tmp_path.glob("*.py")), tmp_path)
    assert graph == {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": set()}
    assert set(circle_in(graph)) == {"a", "b", "c"}
    (tmp_path / "c.py").write_text("import json\n")
    assert circle_in(arrows(sorted(tmp_path.glob("*.py")), tmp_path)) == []


def test_the_rules_would_notice(tmp_path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("def f():\n    import bpy.ops\n    from .. import job\n    from ..models import find\n")
    assert list(imported_by(path)) == [(0, "bpy.ops"), (2, "job"), (2, "models.find")]
