# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/user/troubleshooting.md has every error that a user can meet, by its words, and none that is gone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import ui_strings

ROOT = Path(__file__).parents[2]
ERRORS = {
    **dict.fromkeys(("ModelNotAvailable", "RefusedWeights", "OutOfMemory", "OutputError", "OutputFailed"), 0),
    **dict.fromkeys(("SetupFailed", "TrashError", "missing", "JobsFileError"), 0),
    **dict.fromkeys(("EngineError", "Failure", "ResultError"), 1),
    "SpecError": 2,
    "GuideError": 0,
}
"""Which argument of which call says what went wrong."""
PLACES = ("sync_engine", "operators", "engine", "api.py")
COMMAND_LINE_ONLY = (
    "sync_engine/evaluation",
    "sync_engine/cli/evaluate.py",
    "sync_engine/cli/radiance.py",
    "sync_engine/cli/export.py",
    "sync_engine/__main__.py",
)
"""Developers' commands: nothing in Blender calls them."""
BOUND = "sync_engine/interface/embedded.py"
"""Its errors are made by a function of its own, ``_bad``."""
VALUE = ui_strings.VALUE


def errors() -> dict[str, str]:
    """Return the words of every error, values as "…", with the file that it is in."""
    found: dict[str, str] = {}
    for place in PLACES:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(ROOT).as_posix()
            if not name.startswith(COMMAND_LINE_ONLY):
                found |= {VALUE.sub("…", text): name for text in _errors_of(file, name)}
    return {text: name for text, name in found.items() if re.search(r"\w{3}", text)}


def _errors_of(file: Path, name: str) -> list[str]:
    texts = []
    known = ERRORS | ({"_bad": 1} if name == BOUND else {})
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            number = known.get(called, len(node.args))
            if number < len(node.args):
                texts += ui_strings._values(node.args[number])
    return texts


def phrases() -> list[str]:
    """Return the words in the first columns of the guide's tables."""
    lines = (ROOT / "docs" / "user" / "troubleshooting.md").read_text(encoding="utf-8").splitlines()
    first = [line.split("|")[1] for line in lines if line.startswith("| ")]
    return [phrase for cell in first for phrase in re.findall(r"\*([^*]+)\*", cell)]


def is_in(phrase: str, text: str) -> bool:
    """Tell whether the words of a phrase stand in a text, in their order; "…" is anything."""
    words = [re.escape(part.strip()) for part in phrase.split("…") if part.strip()]
    return re.search(".*".join(words), text, re.DOTALL) is not None


def test_every_error_is_in_the_guide() -> None:
    said = [phrase for phrase in phrases() if re.search(r"\w{3}", phrase)]
    found = errors()
    assert len(found) > 100, "the errors are found"
    missing = {
        text: file
        for text, file in found.items()
        if not any(is_in(phrase, text) and _enough(phrase, text) for phrase in said)
    }
    assert not missing, "\n".join(f"{file}: {text}" for text, file in missing.items())


def _enough(phrase: str, text: str) -> bool:
    """Tell whether a phrase is no mere snippet: a word or two only stand for a text as short."""
    return len(re.findall(r"\w+", phrase)) > 2 or len(re.findall(r"\w+", text)) < 6


def test_the_guide_has_nothing_that_is_gone() -> None:
    shown = [*errors(), *(VALUE.sub("…", text) for text in ui_strings.shown_texts())]
    shown += [VALUE.sub("…", text) for text in _all_texts()]
    gone = [phrase for phrase in phrases() if not any(is_in(phrase, text) for text in shown)]
    assert gone == ["prompt = '': empty"], "only this example has a value in it"


def _all_texts() -> list[str]:
    """Return every text of the program, for notes and problems that are put together elsewhere."""
    files = [file for place in PLACES if (ROOT / place).is_dir() for file in (ROOT / place).rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    return [
        text
        for node in nodes
        if isinstance(node, ast.JoinedStr | ast.Constant)
        for text in ui_strings._values(node)
    ]
