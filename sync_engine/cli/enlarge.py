# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sync_engine enlarge``: a finished 360° picture at a larger size, with new detail."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from sync_engine.cli import generate
from sync_engine.interface.embedded import read_spec
from sync_engine.interface.enlarging import enlarging
from sync_engine.interface.spec import PRECISIONS, EnvironmentSpec, SpecError

OPTIONS: dict[str, dict[str, Any]] = {
    "prompt": {"help": "what the picture shows; by default what the picture says of itself"},
    "model": {"metavar": "draft|ID|DIR|FILE", "help": "by default the one that made the picture"},
    "steps": {"type": int, "help": "steps of a whole run; a detail pass takes the last part of them"},
    "seed": {"type": int, "help": "by default the picture's own"},
    "exposure": {"type": float, "metavar": "EV", "help": "of an 8-bit picture's light"},
    "device": {"metavar": "auto|cpu|cuda|cuda:N|mps"},
    "precision": {"choices": PRECISIONS},
}


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    command = commands.add_parser("enlarge", help="make a 360° picture larger, with new detail")
    command.add_argument("picture", type=Path, help="EXR, HDR or 8-bit, twice as wide as high, or a result")
    command.add_argument("--width", type=int, required=True, help="pixels, up to 8192")
    command.add_argument("--out", type=Path, required=True, help="folder of the result")
    for name, settings in OPTIONS.items():
        command.add_argument(f"--{name}", default=None, **settings)
    command.add_argument("--json", action="store_true", help="print the protocol's events")
    command.add_argument("--yes", action="store_true", help="fetch the model that the picture names")


def run(options: argparse.Namespace) -> int:
    """Run the job and return the exit status of the contract."""
    return generate.run(options, spec_from)


def spec_from(options: argparse.Namespace) -> EnvironmentSpec:
    """Return the validated job; SpecError names what is wrong.

    A picture that does not say what made it needs a prompt, and gets the bundled model.
    """
    from sync_engine.runtime.output import IMAGE_NAMES

    given = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    picture = options.picture.expanduser().absolute()
    picture = picture / IMAGE_NAMES["world"] if picture.is_dir() else picture
    if not picture.is_file():
        raise SpecError("enlarge", str(options.picture), "there is no such picture", "Name a picture file.")
    options.guides, options.spec = None, picture  # where the model's name comes from
    try:
        made = read_spec(options.picture)
    except SpecError:
        if "prompt" not in given:
            raise SpecError(
                "prompt", None, "the picture does not say what it shows", "Give --prompt."
            ) from None
        options.spec, made = None, EnvironmentSpec(given["prompt"])
    return dataclasses.replace(enlarging(made, picture, options.width), **given).validated()
