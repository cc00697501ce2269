# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/results.md is what ``make results`` makes of the recorded figures; the code is counted right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import results
from tools import structure


def test_the_page_is_what_the_command_makes() -> None:
    assert results.PAGE.read_text(encoding="utf-8") == results.page(results.recorded()), "make results"


@pytest.mark.parametrize("claim", results.recorded(), ids=lambda claim: claim["title"])
def test_a_claim_says_how_it_came_to_be(claim: dict) -> None:
    for field in ("claim", "date", "machine", "commit", "command"):
        assert claim[field], field
    assert all(len(row) == len(claim["columns"]) for row in claim["rows"])
    assert all((results.IMAGES / plot["file"]).is_file() for plot in claim["plots"]), "make results"


def test_what_a_benchmark_records_is_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(results, "_commit", lambda: "abc1234")
    results.record("b", order=2, title="Two", claim="C.", command="c", columns=["x"], rows=[["1"]])
    results.record(
        "a", order=1, title="One", claim="C.", command="c", columns=["x"], rows=[["0"]], machine="M"
    )
    page = results.page(results.recorded())
    assert page.index("## One") < page.index("## Two")
    assert "| x |\n| --- |\n| 1 |\n" in page
    assert ", M, commit abc1234: `c`)" in page
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["plots"] == []


FILES = {
    "sync_engine/__main__.py": "from sync_engine.top import one\n",
    "sync_engine/top/__init__.py": "",
    "sync_engine/top/one.py": "from ..middle import two\n",
    "sync_engine/middle/__init__.py": "",
    "sync_engine/middle/two.py": "import sync_engine.low.three\n",
    "sync_engine/low/__init__.py": "",
    "sync_engine/low/three.py": "def late():\n    from sync_engine.top.one import x\n",
}


def test_arrows_circles_and_the_fewest_that_run_upward() -> None:
    files = structure.imports(FILES)
    house = structure.rooms(files)
    assert house == {"__main__.py": {"top"}, "top": {"middle"}, "middle": {"low"}, "low": {"top"}}
    assert structure.circles(house) == [{"top", "middle", "low"}]
    assert structure.upward(house) == 1, "of three arrows in a ring one stands against the best order"
    assert structure.upward({"a": {"b"}, "b": {"c"}, "c": set()}) == 0
    assert structure.upward({"a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"}}) == 3


def test_lines_that_stand_twice() -> None:
    run = "".join(f"x{number} = {number}\n" for number in range(6))
    assert structure.repeated_lines([run + "a = 1\n", "b = 2\n" + run]) == 12
    assert structure.repeated_lines([run.replace("x5", "y5"), run]) == 0
    assert structure.repeated_lines([f"import a\n# c\n\n{run[:-7]}", run[:-7]]) == 0, "five are no run"
