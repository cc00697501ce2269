# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sync_engine generate``: one job, told to a terminal or in events."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_engine.cli import spec_options
from sync_engine.cli.doctor import engine_missing
from sync_engine.cli.streams import Hearer
from sync_engine.common.errors import JobCancelled, describe
from sync_engine.interface.guides import control_nets_of
from sync_engine.interface.messages import (
    EXIT_CANCELLED,
    EXIT_STATUS,
    Accepted,
    Cancelled,
    Done,
    Event,
    Failed,
    FailureCode,
    encode,
)
from sync_engine.interface.spec import EnvironmentSpec, SpecError

STOP_GRACE_S = 10.0
SpecOf = Callable[[argparse.Namespace], EnvironmentSpec]


def add_parser(commands: Any) -> None:
    """Add the command ``generate`` to the engine's command line."""
    parser = commands.add_parser("generate", help="make one environment")
    spec_options.add_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the result")
    parser.add_argument("--json", action="store_true", help="print the protocol's events")
    parser.add_argument(
        "--yes", action="store_true", help="fetch the model that the file of --spec names, without a question"
    )


def run(options: argparse.Namespace, spec_of: SpecOf = spec_options.spec_from) -> int:
    """Run the one job of some options and return the exit status of the contract."""
    if options.json:
        from sync_engine.common.streams import take_stdout

        hearer = Hearer(take_stdout().write)

        def emit(event: Event) -> None:
            hearer(encode(event))

        return _generate(options, spec_of, emit)
    from sync_engine.cli.terminal import TerminalProgress

    with TerminalProgress() as bar:
        return _generate(options, spec_of, bar.tell)


def _generate(options: argparse.Namespace, spec_of: SpecOf, emit: Any) -> int:
    job = options.out.name or "result"
    try:
        spec = spec_of(options)
    except SpecError as error:
        emit(Failed(job, FailureCode.BAD_SPEC, error.message, error.remedy))
        return EXIT_STATUS[FailureCode.BAD_SPEC]
    problem = engine_missing()
    if problem is not None:
        emit(problem)
        return 1
    stop = threading.Event()
    _stop_on_signals(stop)
    from sync_engine.common.progress import Reporter
    from sync_engine.runtime.checkpoint import seed_to_resume
    from sync_engine.runtime.job import Engine
    from sync_engine.runtime.output import interrupted

    if spec.seed is None:  # an interrupted run of it has drawn one
        spec = dataclasses.replace(spec, seed=seed_to_resume(interrupted(options.out), spec))
    spec = spec.seeded()
    emit(Accepted(job, spec.to_dict()))
    try:
        _agree(options, spec)
        files, timings = Engine().run(spec, options.out, Reporter(job, emit, options.json), stop.is_set, job)
    except JobCancelled:
        emit(Cancelled(job))
        return EXIT_CANCELLED
    except Exception as error:  # the boundary of the command: words, not a traceback
        failure = describe(error)
        if failure.code is FailureCode.INTERNAL:
            logging.getLogger(__name__).exception("generate failed")
        emit(Failed(job, failure.code, failure.message, failure.hint))
        return EXIT_STATUS.get(failure.code, 1)
    emit(Done(job, files, timings))
    return 0


def _stop_on_signals(stop: threading.Event) -> None:
    """Set ``stop`` at the first signal; end the process at a second, or when nobody obeys for STOP_GRACE_S.

    A load, a download or a long step may not look at ``stop``. What lies in the partial folder is swept by
    the next job.
    """

    def on_signal(*_: object) -> None:
        if stop.is_set():
            os._exit(EXIT_CANCELLED)
        stop.set()
        ending = threading.Timer(STOP_GRACE_S, os._exit, (EXIT_CANCELLED,))
        ending.daemon = True
        ending.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)


def _agree(options: argparse.Namespace, spec: EnvironmentSpec) -> None:
    """Ask about models that a file names; then nothing else asks on stdin. Raises ModelNotAvailable."""
    from sync_engine.common.streams import take_stdin
    from sync_engine.downloads.consent import check_named_by_file

    can_ask = not options.json and sys.stdin.isatty() and sys.stderr.isatty()
    if options.spec is not None and options.model is None:
        check_named_by_file(spec.model, options.yes, can_ask)
    if options.spec is not None or options.guides is not None:
        for name in control_nets_of(spec.guides):
            check_named_by_file(name, options.yes, can_ask, control=True)
    take_stdin()
