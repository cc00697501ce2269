# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds every text that Blender's user can see, by reading the source: what the translations must hold.

``python tests/unit/ui_strings.py`` prints the texts that a table lacks, ready to be filled in.

A text with values in it is a template with named fields, in ``tr`` or a ``Message``. Of an f-string, which
cannot be translated, the fields are ``{0}``, ``{1}``, ….
"""

from __future__ import annotations

import ast
import functools
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLENDER_SIDE = (
    "panels",
    "operators",
    "settings",
    "engine",
    "preferences.py",
    "translations/__init__.py",
)
ENGINE_SIDE = (
    "sync_engine/interface",
    "sync_engine/host",
    "sync_engine/installer",
    "sync_engine/sync/methods",
)
"""The door and the program that Blender's process runs."""
ENGINE_ROOMS = tuple(
    f"sync_engine/{room}"
    for room in (
        *("runtime", "backbones", "catalog", "downloads", "diffusion", "prompting", "guiding", "pictures"),
        *("radiance", "canvas", "sync", "common", "interface", "host", "batch"),
    )
)
"""Whose errors and notes reach the panel as Messages."""
ENGINE_COMMANDS = tuple(f"sync_engine/cli/{name}.py" for name in ("serve", "models", "batch", "doctor"))
"""What Blender runs, likewise. Texts of other commands and of ``evaluation`` stay English."""
ENGINE_ERRORS = {
    *("EngineError", "ModelNotAvailable", "NotAgreed", "OutOfMemory", "OutputError", "RefusedWeights"),
    *(
        "SpecError",
        "GuideError",
        "UnreadablePicture",
        "refused",
        "_refused",
        "_misfit",
        "_bad",
        "DamagedPicture",
        "JobsFileError",
        "BadLine",
        "Row",
    ),
    *("_on_note", "note"),
}
"""What makes an error of the engine; any of its arguments may be a text."""
ENGINE_SENTENCES = {"REMEDY", "AGAIN", "BLACK_AROUND", "HINT", "TIFF_HINT", "remedy"}
"""Names of constants and of parameters there that hold what is said, beside ``SENTENCES``."""
TEXT_TABLES = {"STAGES", "NAMES", "NOTHING_YET", "OTHER_KIND"}
"""Dictionaries whose values are shown."""
ARGUMENTS: dict[str, tuple[int | str, ...]] = {
    "label": ("text",),
    "prop": ("text", "placeholder"),
    "prop_enum": ("text",),
    "operator": ("text",),
    "menu": ("text",),
    "invoke_confirm": ("title", "message", "confirm_text"),
    "draw_text": (2,),
    "tr": (0,),
    "Message": (0,),
    "report": (1,),
    "poll_message_set": (0,),
    "tell": (1, 2),
    "Failure": (1, 2),
    "failure": (1, 2),
    "missing": (0,),
    "__init__": (0,),  # an error's own words
    "RuntimeError": (0,),
    "SpecError": (2, 3),
    "_bad": (1, 2),
    "_misplaced": (2, 3),
    "SetupFailed": (0, 1),
    "ResultError": (1,),
    "TrashError": (0,),
}
"""Which arguments of which calls are shown to the user."""
VALUE = re.compile(r"\{\w+(?::[^{}]*)?\}")
"""A field of a template."""
SENTENCES = {"message", "hint", "problem", "reason", "template"}
"""Names that only hold what is shown later."""
LABELS = {"bl_label", "bl_description", "label", "help"}
"""Attributes of classes that are shown: of operators and panels, and of methods (``sync/methods``)."""
LINES = {"engine_lines"}
"""Functions whose returned texts are drawn."""


@functools.cache
def shown_texts(root: Path = ROOT) -> dict[str, str]:
    """Return every text that is shown, with the file that it is in."""
    found: dict[str, str] = {}
    for place in (*BLENDER_SIDE, *ENGINE_SIDE):
        path = root / place
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            for text in _texts(ast.parse(file.read_text(encoding="utf-8"))):
                if any(character.isalpha() for character in VALUE.sub("", text)):
                    found.setdefault(text, str(file.relative_to(root)))
    return found


@functools.cache
def all_texts(root: Path = ROOT) -> dict[str, str]:
    """Return what ``shown_texts`` and ``engine_texts`` find."""
    return shown_texts(root) | engine_texts(root)


@functools.cache
def engine_texts(root: Path = ROOT) -> dict[str, str]:
    """Return the texts of the engine's errors and notes that are in no other table, with their file."""
    elsewhere = shown_texts(root)
    found: dict[str, str] = {}
    for place in (*ENGINE_ROOMS, *ENGINE_COMMANDS):
        path = root / place
        for file in sorted(path.rglob("*.py")) if path.suffix != ".py" else [path]:
            for text in _said(ast.parse(file.read_text(encoding="utf-8"))):
                if text not in elsewhere and re.search(r"[^\W\d_]{2}", VALUE.sub("", text)):
                    found.setdefault(text, file.relative_to(root).as_posix())
    return found


def _said(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = getattr(target, "id", "")
            if name in SENTENCES | ENGINE_SENTENCES or name.endswith("_HINT"):
                yield from _sentences(node.value)
        elif isinstance(node, ast.FunctionDef):
            for parameter, default in zip(
                reversed(node.args.args), reversed(node.args.defaults), strict=False
            ):
                if parameter.arg in SENTENCES | ENGINE_SENTENCES:
                    yield from _sentences(default)
        elif isinstance(node, ast.Call):
            name = _called(node)
            if name == "Message" and node.args:
                yield from _values(node.args[0])
            elif name in ENGINE_ERRORS:
                for value in (*node.args, *(item.value for item in node.keywords)):
                    yield from _sentences(value)
            elif name == "append" and _called(ast.Call(node.func.value)) == "notes":  # type: ignore[attr-defined]
                yield from _sentences(node.args[0])


def _sentences(node: ast.expr) -> Iterator[str]:
    """Yield the texts of an expression that are more than a name or a word of code."""
    yield from (text for text in _values(node) if " " in text)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from _of_class(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _of_assignment(node)
        elif isinstance(node, ast.FunctionDef) and node.name in LINES:
            for part in ast.walk(node):
                if isinstance(part, ast.Tuple) and len(part.elts) == 2:
                    yield from _values(part.elts[0])
        elif isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_class(node: ast.ClassDef) -> Iterator[str]:
    if any(part in node.name for part in ("_OT_", "_PT_", "_MT_")):
        docstring = ast.get_docstring(node, clean=False)
        if docstring:
            yield docstring
    for item in node.body:
        if isinstance(item, ast.Assign) and getattr(item.targets[0], "id", "") in LABELS:
            yield from _values(item.value)


def _of_assignment(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    name = getattr(target, "id", "")
    if name.endswith("_ITEMS") and isinstance(node.value, ast.Tuple | ast.List):
        for item in node.value.elts:
            if isinstance(item, ast.Tuple):
                for text in item.elts[1:3]:
                    yield from _values(text)
    elif name in TEXT_TABLES and isinstance(node.value, ast.Dict):
        for value in node.value.values:
            yield from _values(value)
    elif name.endswith("_HINT") or name in SENTENCES:
        yield from _values(node.value)


def _of_call(node: ast.Call) -> Iterator[str]:
    name = _called(node)
    keywords = {item.arg: item.value for item in node.keywords}
    if name.endswith("Property") and name != "property":
        for wanted in ("name", "description"):
            if wanted in keywords:
                yield from _values(keywords[wanted])
    for wanted in ARGUMENTS.get(name, ()):
        if isinstance(wanted, str):
            value = keywords.get(wanted)
        else:
            value = node.args[wanted] if wanted < len(node.args) else None
        if value is not None:
            yield from _values(value)


def _values(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression can be; what is computed elsewhere yields nothing."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value.strip()
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Message", "tr") and node.args:
        yield from _values(node.args[0])
    elif isinstance(node, ast.JoinedStr):
        text, count = "", 0
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += str(part.value)
            else:
                text += f"{{{count}}}"
                count += 1
        yield text.strip()
    elif isinstance(node, ast.IfExp):
        yield from _values(node.body)
        yield from _values(node.orelse)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _values(node.left)
        yield from _values(node.right)


def _main() -> None:
    for name in ("de", "zh_hans"):
        files = (ROOT / "translations" / f"{part}.py" for part in (name, f"{name}_engine"))
        known = {text for file in files for text in runpy.run_path(str(file))["TABLE"]}
        for text, file in all_texts().items():
            if text not in known:
                sys.stdout.write(f"    {text!r}: ,  # {file}\n")
        sys.stdout.write("\n")


if __name__ == "__main__":
    _main()
