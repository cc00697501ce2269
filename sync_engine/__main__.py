# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's command line: generate, enlarge, batch, serve, models, evaluate, doctor."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable

from sync_engine.cli import (
    batch,
    doctor,
    enlarge,
    evaluate,
    export,
    generate,
    models,
    radiance,
    rank,
    serve,
    streams,
)
from sync_engine.common.priority import wait_without_spinning

RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "generate": generate.run,
    "enlarge": enlarge.run,
    "serve": serve.run,
    "batch": batch.run,
    "batch-session": batch.run_session,
    "models": models.run,
    "evaluate": evaluate.run,
    "expand": radiance.run,
    "inspect": radiance.run,
    "export": export.run,
    "doctor": doctor.run,
    "rank": rank.run,
}
"""What each command does; returns the exit status."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    root = argparse.ArgumentParser(prog="python -m sync_engine", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    generate.add_parser(commands)
    enlarge.add_parser(commands)
    serve.add_parser(commands)
    batch.add_parser(commands)
    models.add_parser(commands)
    evaluate.add_parser(commands)
    rank.add_parser(commands)
    radiance.add_parsers(commands)
    export.add_parser(commands)
    doctor.add_parser(commands)
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    streams.prepare()
    try:
        options = parser().parse_args(arguments)
        wait_without_spinning()
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        return RUN[options.command](options)
    except BrokenPipeError:  # as of "| head": what was to be printed is all that is lost
        return 0
    finally:
        streams.finish()


if __name__ == "__main__":
    sys.exit(main())
