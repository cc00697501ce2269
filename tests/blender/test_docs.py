# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation: every example runs, and the troubleshooting guide quotes what is still said."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from .conftest import ROOT, Blender

SCRIPTING = ROOT / "docs" / "user" / "scripting.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
VARIES = r"…|=|'|:|,|\btorch\b|\b128\b|\b\w+\.\w+ (?=is )"
QUIET = {"PYTHONPATH": str(ROOT)}


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """Return the code blocks of a page with the place of each."""
    text = page.read_text(encoding="utf-8")
    found = [match for match in BLOCK.finditer(text) if match[1] == language]
    return [(f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}", match[2]) for match in found]


def test_python_examples_run(blender: Blender, fake_engine: Path) -> None:
    """Those of the README and of the scripting guide, in Blender."""
    examples = blocks(ROOT / "README.md", "python") + blocks(SCRIPTING, "python")
    assert len(examples) >= 7
    told = blender.run("doc_examples", fake_engine, examples=examples)
    assert told["done"] == [place for place, _source in examples]


def test_shell_examples_run(draft_engine: Path, tmp_path: Path) -> None:
    """The command lines, with the bundled model."""
    commands = [line for _place, source in blocks(SCRIPTING, "bash") for line in source.splitlines()]
    assert len(commands) >= 3
    for line in commands:
        command = re.sub(r"^python\b", str(draft_engine), line)
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=QUIET, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "another" / "world.exr").stat().st_size > 1000


def test_the_words_of_errors_are_in_the_troubleshooting_guide() -> None:
    """What it quotes is still said: the longest part between what varies is found in the code."""
    text = (ROOT / "docs" / "user" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| *")]
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("sync_engine", "engine", "operators", "panels", "scene", "settings")
        for path in sorted((ROOT / folder).rglob("*.py"))
    )
    code += "\n".join(path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("*.py")))
    gone = []
    for quoted in (words for row in rows for words in re.findall(r"\*([^*]+)\*", row)):
        part = max(re.split(VARIES, quoted), key=len).strip()
        if part not in code:
            gone.append(part)
    assert not gone, gone
