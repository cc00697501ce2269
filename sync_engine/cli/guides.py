# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``generate`` that guide parts of a picture: ``--guides``, ``--region``, ``--sun``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sync_engine.interface.guides import Guide, guide_from_dict
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
        if isinstance(guide, dict) and isinstance(guide.get("mask"), str) and guide["mask"]:
            guide["mask"] = str((path.parent / guide["mask"]).absolute())
    return data


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
