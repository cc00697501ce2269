# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the line that names the licence at the top of every source file that lacks it.

    python -m tools.spdx

The generator of the training set is CC0 1.0, all else GPL 3.0 or later. Empty files need none. The line
stands above the docstring, and below a script's first line that names its interpreter.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("*.py", "*.sh", ".ci/run", "Makefile")
LICENCE = "GPL-3.0-or-later"
OTHERS = {"training/generator/": "CC0-1.0"}
"""Folders with a licence of their own."""


def header(name: str) -> str:
    """Return the line for a file, named from the repository's root with forward slashes."""
    others = [licence for folder, licence in OTHERS.items() if name.startswith(folder)]
    return f"# SPDX-License-Identifier: {(*others, LICENCE)[0]}"


def with_header(text: str, line: str) -> str:
    """Return a source text with the line at its place; unchanged where it is there or the file empty."""
    lines = text.splitlines(keepends=True)
    place = 1 if lines and lines[0].startswith("#!") else 0
    if not lines or (len(lines) > place and lines[place].rstrip("\n") == line):
        return text
    return "".join([*lines[:place], f"{line}\n", *lines[place:]])


def lacking() -> dict[Path, str]:
    """Return the source files without the line, each with its text as it should be."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *SOURCES)
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {}
    for name in listed.splitlines():
        file = ROOT / name
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            wanted = with_header(text, header(name))
            if wanted != text:
                found[file] = wanted
    return found


def main() -> None:
    for file, text in lacking().items():
        file.write_text(text, encoding="utf-8", newline="\n")
        sys.stdout.write(f"{file.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
