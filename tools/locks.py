# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the lock files that Syncscape's set-up installs from, out of locks.toml, torch.txt and engine.txt.

uv resolves for the oldest Python, pip then fetches the wheels for every Python and proves that each
hash belongs to one; what they weigh is written into the lock file. An index that cannot be reached
leaves its lock file as it was, and is told; ``--published`` takes the hashes of its wheels from
locks.toml instead, and all else from the platform's lock for the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from sync_engine.installer.locks import MARK, read_lock
from sync_engine.installer.platforms import this_platform
from tools import wheels

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "sync_engine" / "requirements"
UV_PLATFORMS = {
    "linux-x64": "x86_64-unknown-linux-gnu",
    "windows-x64": "x86_64-pc-windows-msvc",
    "macos-arm64": "aarch64-apple-darwin",
}
PIP_TAGS = {
    "linux-x64": [
        "linux_x86_64",
        *(f"manylinux_2_{minor}_x86_64" for minor in range(5, 36)),
        *(f"manylinux{name}_x86_64" for name in (1, 2010, 2014)),
    ],
    "windows-x64": ["win_amd64"],
    "macos-arm64": [
        *(f"macosx_{major}_0_{kind}" for major in range(11, 15) for kind in ("arm64", "universal2")),
        *(f"macosx_10_{minor}_universal2" for minor in (9, 13)),
    ],
}
"""What pip is told of a platform: glibc 2.28 as PyTorch asks for, macOS 14."""


class LockError(RuntimeError):
    """A lock file could not be made."""


def uv_program() -> Path:
    """Return the bundled uv, unpacked under .build."""
    wheel = wheels.fetch(this_platform())[0]
    folder = ROOT / ".build" / wheel.stem.split("-py3")[0]
    found = next(folder.glob("*.data/scripts/uv*"), None)
    if found is None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        found = next(folder.glob("*.data/scripts/uv*"))
    found = next(path for path in folder.glob("*.data/scripts/uv*") if path.stem == "uv")
    found.chmod(found.stat().st_mode | stat.S_IXUSR)
    return found


def make(row: dict[str, Any], pythons: list[str], find_links: str) -> Path:
    """Make one lock file and return its path. Raises LockError."""
    path = _path(row)
    with tempfile.TemporaryDirectory() as folder:
        body = _compile(row, pythons[0], find_links, Path(folder))
        sizes = {}
        for python in pythons:
            try:
                sizes[python] = _weigh(row, body, python, find_links)
            except LockError as error:
                print(f"{path.name}: not for Python {python}: {error}", file=sys.stderr)  # noqa: T201
    if not sizes:
        raise LockError("its wheels fit no Python")
    return _write(path, row, body, sizes)


def make_published(row: dict[str, Any]) -> Path:
    """Make the lock of a build whose index cannot be reached, and return its path. Raises LockError.

    Nothing is fetched: all but the builds in ``row["published"]`` is the platform's lock for the
    processor, which is proved for its Pythons. The sizes are that lock's and ``row["more_mb"]``.
    """
    if not row.get("published"):
        raise LockError("locks.toml has no published hashes for it")
    base = read_lock(REQUIREMENTS / f"{row['platform']}-cpu.txt")
    body = base.path.read_text(encoding="utf-8").split("\n", 2)[2]
    body = replaced(body, row["published"], row.get("adds", []))
    download, disk = row["more_mb"]
    sizes = dict.fromkeys(row["pythons"], (base.download_mb + download, base.disk_mb + disk))
    return _write(_path(row), row, body, sizes)


def replaced(body: str, published: dict[str, list[str]], adds: Collection[str] = ()) -> str:
    """Return a lock's requirements with those of ``published`` in place of its own. Raises LockError.

    The names in ``adds`` are put among them; any other name has to be there.
    """
    items = {item.split("==")[0]: item for item in re.split(r"(?<=\n)(?=\S)", body)}
    pins = {pin.split("==")[0]: (pin, hashes) for pin, hashes in published.items()}
    missing = pins.keys() - items.keys() - set(adds)
    if missing:
        raise LockError(f"the lock to start from does not have {', '.join(sorted(missing))}")
    for name, (pin, hashes) in pins.items():
        items[name] = " \\\n    ".join([pin, *(f"--hash=sha256:{digest}" for digest in hashes)]) + "\n"
    return "".join(items[name] for name in sorted(items))


def _path(row: dict[str, Any]) -> Path:
    return REQUIREMENTS / f"{row['platform']}-{row['accelerator']}.txt"


def _write(path: Path, row: dict[str, Any], body: str, sizes: dict[str, tuple[int, int]]) -> Path:
    download, disk = (max(pair[i] for pair in sizes.values()) for i in (0, 1))
    told = {key: row.get(key, "") for key in ("platform", "accelerator", "torch", "index")}
    told |= {"pythons": list(sizes), "download_mb": download, "disk_mb": disk}
    text = f"{MARK}{json.dumps(told)}\n# Made by `make locks`; do not edit.\n{body}"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _sources(row: dict[str, Any], find_links: str) -> list[str]:
    options = ["--index-strategy", "unsafe-best-match"]
    if find_links:
        return [*options, "--find-links", find_links]
    return [*options, "--index", row["index"]] if row.get("index") else options


def _compile(row: dict[str, Any], python: str, find_links: str, folder: Path) -> str:
    (folder / "torch.in").write_text(f"torch=={row['torch']}\n", encoding="utf-8")
    inputs = [str(folder / "torch.in"), str(REQUIREMENTS / "engine.txt")]
    command = [str(uv_program()), "pip", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate"]
    command += ["--generate-hashes", "--only-binary", ":all:", "--python-version", python]
    command += ["--python-platform", UV_PLATFORMS[row["platform"]], *_sources(row, find_links), *inputs]
    done = _run(command, {"MACOSX_DEPLOYMENT_TARGET": "14.0"})
    return "".join(line for line in done.splitlines(keepends=True) if not line.startswith("--"))


def _weigh(row: dict[str, Any], body: str, python: str, find_links: str) -> tuple[int, int]:
    """Fetch all wheels of a lock; return what they weigh packed and unpacked, in MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "lock.txt").write_text(body, encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--only-binary", ":all:", "--python-version", python, "--dest", str(folder)]
        command += [word for tag in PIP_TAGS[row["platform"]] for word in ("--platform", tag)]
        if find_links:
            command += ["--find-links", find_links]
        elif row.get("index"):
            command += ["--extra-index-url", row["index"]]
        _run([*command, "--requirement", str(folder / "lock.txt")], {})
        packed = unpacked = 0
        for wheel in folder.glob("*.whl"):
            packed += wheel.stat().st_size
            with zipfile.ZipFile(wheel) as archive:
                unpacked += sum(item.file_size for item in archive.infolist())
    return round(packed / 1e6), round(unpacked / 1e6)


def _run(command: list[str], more: dict[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **more})
    if done.returncode != 0:
        told = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARN")]
        raise LockError(" ".join(told[-3:])[-400:] or f"exit status {done.returncode}")
    return done.stdout


def main() -> int:
    """Make the lock files that were asked for, by default all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="such as linux-x64-cpu")
    parser.add_argument("--find-links", default="", help="folder with torch's build, instead of its index")
    parser.add_argument("--published", action="store_true", help="torch's hashes from locks.toml")
    options = parser.parse_args()
    table = tomllib.loads((REQUIREMENTS / "locks.toml").read_text(encoding="utf-8"))
    status = 0
    for row in table["lock"]:
        name = f"{row['platform']}-{row['accelerator']}"
        if options.names and name not in options.names:
            continue
        try:
            if options.published:
                path = make_published(row)
            else:
                path = make(row, table["pythons"], options.find_links)
            print(path)  # noqa: T201
        except LockError as error:
            print(f"{name}: not made: {error}", file=sys.stderr)  # noqa: T201
            status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())
