# SPDX-License-Identifier: GPL-3.0-or-later
"""Every page, heading and picture that the documents name is there, and so is every file of the code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PAGE_IN_CODE = re.compile(r"\bdocs/[\w./-]+\w")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def tracked(*patterns: str) -> list[Path]:
    """Return the files in git, and those that will be, without what is deleted."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns)
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()})


if not (ROOT / ".git").exists():
    pytest.skip("no git: would have checked every link of the documents", allow_module_level=True)

PAGES = tracked("*.md")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(page: Path) -> list[str]:
    """Return what a page names that is not there."""
    dead = []
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        named = (page.parent / path).resolve() if path else page
        is_there = named.exists() and (not anchor or anchor in anchors(named))
        if not is_there:
            dead.append(target)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert not dead_links(page)


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](page.md#one-two) [b](page.md#three) [c](gone.md) ![d](gone.png)\n")
    assert dead_links(page) == ["page.md#three", "gone.md", "gone.png"]


def test_the_code_names_pages_that_are_there() -> None:
    """A docstring, a message or a page that says ``docs/…`` means a file that exists."""
    gone = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in tracked("*.py", "*.toml", "*.md", "Makefile", ".ci/run")
        for name in PAGE_IN_CODE.findall(file.read_text(encoding="utf-8"))
        if file != Path(__file__) and not (ROOT / name).exists() and "KIND" not in name
    }
    assert not gone, "\n".join(sorted(gone))


def test_every_case_names_a_test_that_is_there() -> None:
    text = (ROOT / "docs/dev/cases.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 30
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)`", row)
        assert named, row
        assert all((ROOT / "tests" / name).is_file() for name in named), row
