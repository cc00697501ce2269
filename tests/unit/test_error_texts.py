# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors for people are templates with values: an f-string cannot be translated."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import ui_strings

ROOT = Path(__file__).parents[2]
WORDS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("ModelNotAvailable", "OutOfMemory", "OutputError", "GuideError", "JobsFileError"), (0, 1)
    ),
    **dict.fromkeys(("SetupFailed", "TrashError", "missing", "ResultError", "refused"), (0, 1)),
    **dict.fromkeys(("EngineError", "Failure", "UnreadablePicture"), (1, 2)),
    **dict.fromkeys(("SpecError", "Failed"), (2, 3)),
    "RefusedWeights": (0, 1),
    "BadPicture": (1, 2),
    "_misfit": (1,),
    "_bad": (0, 1, 2),
}
"""Which arguments of which calls are texts for people."""
ELSEWHERE = {
    "BadLine",
    "DamagedPicture",
    "NotTheHub",
    "ValueError",
    "TypeError",
    "OSError",
    "RuntimeError",
    "ProtocolError",
    "TimeoutError",
    "KeyError",
}
"""Errors that the code tells itself: a message for people is made of them where they are caught."""


def f_strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every f-string that stands where a text for people should be a template."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for number in WORDS.get(name, ()):
            if number < len(node.args):
                yield from _in(node.args[number])


def _in(node: ast.expr) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.JoinedStr):
        yield node.lineno, ast.unparse(node)
    elif isinstance(node, ast.IfExp):
        yield from _in(node.body)
        yield from _in(node.orelse)
    elif isinstance(node, ast.BinOp):
        yield from _in(node.left)
        yield from _in(node.right)


def test_errors_for_people_are_templates() -> None:
    places = [ROOT / "sync_engine", *(ROOT / place for place in ui_strings.BLENDER_SIDE)]
    files = [file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])]
    assert len(files) > 200
    found = [
        f"{file.relative_to(ROOT)}:{line}: {text}"
        for file in files
        for line, text in f_strings(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not found, "write Message('… {name} …', name=value):\n" + "\n".join(found)


def test_raised_errors_are_known_to_this_test() -> None:
    """A new class of errors that is raised with an f-string is found too."""
    unknown = set()
    for file in (ROOT / "sync_engine").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
                texts = [argument for argument in node.exc.args if isinstance(argument, ast.JoinedStr)]
                if texts and name not in WORDS and name not in ELSEWHERE:
                    unknown.add(f"{file.relative_to(ROOT)}:{node.lineno}: {name}")
    assert not unknown


def test_an_f_string_would_be_found() -> None:
    source = (
        "raise OutputError('a' if x else f'b {x}', 'c')\nraise SpecError(f'guides[{n}]', n, f'd {n}', 'e')\n"
    )
    assert [text for _, text in f_strings(ast.parse(source))] == ["f'b {x}'", "f'd {n}'"]
