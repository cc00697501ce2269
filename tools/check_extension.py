# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacks the extension's zips, lists what an artist gets, and tells what does not belong there."""

from __future__ import annotations

import argparse
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path

from tools import wheels

LIMIT_MB = 80
"""So much may a zip weigh, the draft model included."""
ALLOWED = {
    *("blender_manifest.toml", "LICENSE", "README.md", "__init__.py", "api.py", "preferences.py"),
    *("engine", "operators", "panels", "presets", "scene", "settings"),
    *("sync_engine", "translations", "wheels"),
}
"""What may lie at the root of a zip, so that a new folder of the repository does not slip in."""
NEEDED = {
    "__init__.py",
    "api.py",
    "sync_engine/__main__.py",
    "sync_engine/host/client.py",
    "sync_engine/requirements/engine.txt",
    "sync_engine/draft/model_index.json",
    "sync_engine/draft/MODEL_CARD.md",
}
REFUSED = ("__pycache__/", ".pyc", ".pt", ".ckpt", ".log", ".zip", ".npz")
REFUSED_FOLDERS = {"tests", "training", "benchmarks", "demo", "docs", "tools"}


def contents(path: Path) -> dict[str, int]:
    """Return the size of each file in a zip, in bytes."""
    with zipfile.ZipFile(path) as archive:
        return {item.filename: item.file_size for item in archive.infolist() if not item.is_dir()}


def problems(path: Path) -> list[str]:
    """Return what is wrong with a zip, in words; nothing if it is as it should be."""
    files = contents(path)
    with zipfile.ZipFile(path) as archive:
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
        damaged = archive.testzip()
    found = [f"{damaged} is damaged"] if damaged else []
    if path.stat().st_size > LIMIT_MB * 1e6:
        found.append(f"it weighs {path.stat().st_size / 1e6:.0f} MB, more than {LIMIT_MB}")
    found += [f"{name} is missing" for name in sorted(NEEDED - set(files))]
    for name in files:
        folders = name.split("/")
        if folders[0] not in ALLOWED or REFUSED_FOLDERS & set(folders[:-1]) or name.endswith(REFUSED):
            found.append(f"{name} does not belong there")
    return found + _wheel_problems(path, manifest, files)


def _wheel_problems(path: Path, manifest: dict, files: dict[str, int]) -> list[str]:
    found = []
    here = {name.removeprefix("wheels/") for name in files if name.startswith("wheels/")}
    manifest |= manifest.get("build", {}).get("generated", {})  # Blender's tool adds what it has chosen
    for platform in manifest["platforms"]:
        if not path.stem.endswith(platform.replace("-", "_")):
            found.append(f"its manifest is for {platform}")
        if here != set(wheels.wheels_for(platform)):
            found.append(f"its wheels are {sorted(here)}")
    if here != {Path(name).name for name in manifest["wheels"]}:
        found.append("its manifest lists other wheels than it holds")
    return found


def in_words(path: Path) -> str:
    """Return what a zip holds: its weight, and that of each folder unpacked."""
    files = contents(path)
    folders: Counter[str] = Counter()
    for name, size in files.items():
        head, _, tail = name.partition("/")
        folders[
            "the draft model" if tail.startswith("draft/") else f"{head}/" if tail else "loose files"
        ] += size
    parts = ", ".join(f"{name} {size / 1e6:.1f}" for name, size in folders.most_common())
    return f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {len(files)} files; unpacked, in MB: {parts}"


def main() -> int:
    """List and check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zips", nargs="+", type=Path)
    status = 0
    for path in parser.parse_args().zips:
        print(in_words(path))  # noqa: T201
        for problem in problems(path):
            print(f"{path.name}: {problem}", file=sys.stderr)  # noqa: T201
            status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())
