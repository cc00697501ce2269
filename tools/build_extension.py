# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the extension's zips, one a platform, and their repository index, with Blender's own tool.

What goes in: the files of the working tree that git does not ignore, less the manifest's
``paths_exclude_pattern``, and the wheels of the platform.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tools import wheels

ROOT = Path(__file__).resolve().parents[1]
NEVER = {".build", ".ci", ".github", ".venv", "benchmarks", "demo", "docs"}
NEVER |= {"integrations", "tests", "tools", "training", "wheels"}


class BuildError(RuntimeError):
    """Blender's tool has refused something."""


def this_platform() -> str:
    """Return Blender's name of the platform that this runs on."""
    system = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}[platform.system()]
    return f"{system}-{'arm64' if platform.machine().lower() in ('arm64', 'aarch64') else 'x64'}"


def extension_tool(python: Path) -> Path:
    """Return Blender's command line for extensions, from the environment of a Python that has bpy."""
    found = python.parent.parent.glob("[lL]ib/**/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    tool = next(found, None)
    if tool is None:
        raise BuildError(f"{python} has no bpy: run make bpy.")
    return tool


def build(python: Path, out: Path, platforms: list[str], index: bool = False) -> list[Path]:
    """Build the zips of some platforms; older ones in ``out`` go.

    Args:
        python: one with bpy.
        out: folder of the zips.
        platforms: in Blender's names.
        index: also write ``out/index.json``, which makes the folder a repository of extensions.

    Raises:
        BuildError: Blender's tool finds fault.
        wheels.WheelError: a wheel is missing and cannot be fetched.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in (*out.glob("syncscape-*.zip"), *out.glob("index.json")):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        _copy_tree(stage)
        _write_manifest(stage, platforms)
        _run(python, "validate", str(stage))
        _run(python, "build", "--split-platforms", "--source-dir", str(stage), "--output-dir", str(out))
    if index:
        _run(python, "server-generate", "--repo-dir", str(out))
    return sorted(out.glob("syncscape-*.zip"))


def _copy_tree(stage: Path) -> None:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file() and Path(name).parts[0] not in NEVER:
            target = stage / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def _write_manifest(stage: Path, platforms: list[str]) -> None:
    """Reduce the manifest to some platforms, and put their wheels beside it."""
    path = stage / "blender_manifest.toml"
    text = path.read_text(encoding="utf-8")
    kept = []
    for item in (wheel for name in platforms for wheel in wheels.fetch(name)):
        (stage / "wheels").mkdir(exist_ok=True)
        shutil.copy2(item, stage / "wheels" / item.name)
        kept.append(f"./wheels/{item.name}")
    manifest = tomllib.loads(text)
    unlisted = set(kept) - set(manifest["wheels"])
    if unlisted:
        raise BuildError(f"blender_manifest.toml does not list {', '.join(sorted(unlisted))}.")
    for line in text.splitlines():
        if any(wheel in line for wheel in manifest["wheels"]) and not any(wheel in line for wheel in kept):
            text = text.replace(line + "\n", "")
        if line.startswith("platforms = "):
            text = text.replace(line, f"platforms = {platforms}".replace("'", '"'))
    path.write_text(text, encoding="utf-8")


def _run(python: Path, *arguments: str) -> None:
    command = [str(python), str(extension_tool(python)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{arguments[0]}: {done.stdout}{done.stderr}")


def main() -> int:
    """Build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="a Python with bpy")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--all", action="store_true", help="every platform, and index.json; else this one")
    options = parser.parse_args()
    platforms = list(wheels.TAGS) if options.all else [this_platform()]
    try:
        for path in build(options.python.absolute(), options.out, platforms, index=options.all):
            print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")  # noqa: T201
    except (BuildError, wheels.WheelError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
