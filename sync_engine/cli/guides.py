# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``generate`` that guide the picture: ``--guides`` and a short form for each kind."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sync_engine.interface.guides import FILE_FIELDS, Guide, guide_from_dict
from sync_engine.interface.spec import SpecError
from sync_engine.interface.wording import Message


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of ``generate``."""
    parser.add_argument("--guides", type=Path, metavar="FILE", help="a JSON list of guides")
    parser.add_argument(
        "--region",
        nargs=2,
        action="append",
        default=[],
        metavar=("PROMPT", "WHERE"),
        help="what a part shows; WHERE is a mask picture, or numbers: azimuth,elevation[,radius[,feather]] "
        "in degrees, on a plate x,y[,radius[,feather]] in shares; may be given several times",
    )
    parser.add_argument(
        "--control",
        nargs="+",
        action="append",
        default=[],
        metavar="KIND=FILE",
        help="a map that the picture follows by a ControlNet, such as depth=depth.exr; behind it may follow "
        "model=NAME (of the table, hub id, folder or file), scale=, start= and end=",
    )
    parser.add_argument(
        "--sun", metavar="AZIMUTH,ELEVATION|none", help="where the sun stands, in degrees: --sun=-40,20"
    )


def guides_of(options: argparse.Namespace, kind: str) -> list[Guide] | None:
    """Return the guides that the options name for a world or plate; None where they name none.

    Raises SpecError for a file that cannot be read and for what is no guide.
    """
    found: list[dict[str, Any]] = []
    if options.guides is not None:
        found += _from_file(options.guides)
    found += [_region(prompt, where, kind) for prompt, where in options.region]
    found += [_control(words) for words in options.control]
    if options.sun is not None:
        found.append(_sun(options.sun))
    if not found and options.guides is None:
        return None
    return [guide_from_dict(number, data) for number, data in enumerate(found)]


def _from_file(path: Path) -> list[dict[str, Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        problem = Message("cannot be read ({reason})", reason=error)
        raise SpecError("guides", str(path), problem, "Name a readable file.") from error
    if not isinstance(data, list):
        raise SpecError(
            "guides", str(path), "not a list of guides", 'Give a list such as [{"type": "sun", …}].'
        )
    for guide in data:
        for field in FILE_FIELDS if isinstance(guide, dict) else ():
            if isinstance(guide.get(field), str) and guide[field]:
                guide[field] = str((path.parent / guide[field]).absolute())
    return [_from_here(guide, path.parent) if isinstance(guide, dict) else guide for guide in data]


def _from_here(guide: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a guide whose ControlNet is a file or folder beside ``folder`` with its absolute path."""
    model = guide.get("model")
    if isinstance(model, str) and model and (folder / model).expanduser().exists():
        return guide | {"model": str((folder / Path(model).expanduser()).absolute())}
    return guide


def _region(prompt: str, where: str, kind: str) -> dict[str, Any]:
    names = ("x", "y") if kind == "plate" else ("azimuth", "elevation")
    numbers = _numbers(where)
    if numbers is None or not 2 <= len(numbers) <= 4:
        return {"type": "region", "prompt": prompt, "mask": str(Path(where).absolute())}
    return {
        "type": "region",
        "prompt": prompt,
        **dict(zip((*names, "radius", "feather"), numbers, strict=False)),
    }


def _control(words: list[str]) -> dict[str, Any]:
    kind, _, file = words[0].partition("=")
    if not file:
        raise SpecError("control", words[0], "missing", "Give KIND=FILE, such as depth=depth.exr.")
    found: dict[str, Any] = {"type": "control", "kind": kind, "file": str(Path(file).absolute())}
    for word in words[1:]:
        name, _, value = word.partition("=")
        if name not in ("model", "scale", "start", "end") or not value:
            raise SpecError("control", word, "no such field", "Use model=, scale=, start= or end=.")
        numbers = _numbers(value)
        found[name] = numbers[0] if numbers is not None and name != "model" else value
    return _from_here(found, Path())


def _sun(text: str) -> dict[str, Any]:
    if text == "none":
        return {"type": "sun"}
    numbers = _numbers(text)
    if numbers is None or len(numbers) != 2:
        raise SpecError("sun", text, "not a place", "Give azimuth,elevation in degrees, or none.")
    return {"type": "sun", "azimuth": numbers[0], "elevation": numbers[1]}


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return None
