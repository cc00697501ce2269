# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the wheels that the extension bundles from PyPI and checks each against wheels/SHA256SUMS."""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "wheels"
TAGS = {
    "linux-x64": "manylinux_2_17_x86_64",
    "windows-x64": "win_amd64",
    "macos-arm64": "macosx_11_0_arm64",
    "macos-x64": "macosx_10_12_x86_64",
}
"""Blender's names of the platforms, and the wheels' ones."""
ANY_PYTHON = "3.11"
"""The wheels are ``py3-none``: which version pip is told to look for makes no difference."""


class WheelError(RuntimeError):
    """A wheel cannot be had, or is not the one that SHA256SUMS names."""


def expected() -> dict[str, str]:
    """Return the SHA-256 of each wheel by its file name."""
    lines = (FOLDER / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines if line.strip())}


def wheels_for(platform: str) -> list[str]:
    """Return the file names of a platform's wheels."""
    return [name for name in expected() if TAGS[platform] in name]


def fetch(platform: str) -> list[Path]:
    """Fetch the wheels of a platform that are not there yet; return them all, checked.

    Raises:
        WheelError: pip cannot fetch one, or its hash is another.
    """
    found = []
    for name in wheels_for(platform):
        path = FOLDER / name
        if not path.is_file():
            _download(name, platform)
        _check(path)
        found.append(path)
    return found


def _download(name: str, platform: str) -> None:
    package, version = name.split("-")[:2]
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        command += ["--only-binary", ":all:", "--python-version", ANY_PYTHON, "--platform", TAGS[platform]]
        done = subprocess.run([*command, f"{package}=={version}"], capture_output=True, text=True)
        path = Path(folder) / name
        if done.returncode != 0 or not path.is_file():
            raise WheelError(f"pip did not fetch {name}: {done.stderr.strip()[-500:]}")
        _check(path)
        path.replace(FOLDER / name)


def _check(path: Path) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected()[path.name]:
        raise WheelError(f"{path} has the SHA-256 {found}, not the one in wheels/SHA256SUMS: delete it.")


def main() -> int:
    """Fetch and check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("platforms", nargs="*", default=list(TAGS), help=f"of {', '.join(TAGS)}")
    try:
        for platform in parser.parse_args().platforms:
            for path in fetch(platform):
                print(f"{platform:12} {path.name}  {path.stat().st_size / 1e6:.1f} MB, hash as recorded")  # noqa: T201
    except WheelError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
