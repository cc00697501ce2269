# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sync_engine models``: list, download, remove and verify models."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_engine.catalog.control_nets import model_or_net
from sync_engine.common.errors import JobCancelled, ModelNotAvailable, describe
from sync_engine.common.progress import Reporter
from sync_engine.downloads import inventory, store
from sync_engine.downloads.fetch import for_job
from sync_engine.interface.messages import (
    EXIT_CANCELLED,
    EXIT_STATUS,
    Cancelled,
    Done,
    Event,
    Failed,
    FailureCode,
    Stage,
    encode,
)
from sync_engine.interface.wording import Message, joined

Emit = Callable[[Event], object]


def add_parser(commands: Any) -> None:
    """Add the command ``models`` to the engine's command line."""
    parser = commands.add_parser("models", help="list, download, remove and verify models")
    actions = parser.add_subparsers(dest="action", required=True)
    name_help = "a name of the table, a hub id OWNER/NAME, or OWNER/NAME@REVISION"
    one = actions.add_parser("list", help="say which models there are and which are on this computer")
    one.add_argument("--json", action="store_true")
    one = actions.add_parser("download", help="fetch a model; an interrupted download goes on")
    one.add_argument("model", help=name_help)
    one.add_argument("--endpoint", metavar="URL", help="a mirror of the hub (default: HF_ENDPOINT)")
    one.add_argument(
        "--allow-unpinned", action="store_true", help="fetch the newest revision of a model without a pin"
    )
    one.add_argument("--json", action="store_true", help="print the protocol's events")
    one = actions.add_parser("remove", help="delete a fetched model and what is left of its downloads")
    one.add_argument("model", help=name_help)
    one.add_argument("--json", action="store_true", help="print the protocol's events")
    one = actions.add_parser("verify", help="read fetched models again and check every byte")
    one.add_argument("model", nargs="*", help="default: all that are on this computer")
    one.add_argument("--json", action="store_true", help="print the protocol's events")


def run(options: argparse.Namespace) -> int:
    """Run one of the actions and return the exit status."""
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    if options.action == "download":
        return _download(options)
    if options.action != "list" and options.json:
        return _with_events(run_remove if options.action == "remove" else run_verify, options.model)
    try:
        return {"list": _list, "remove": _remove, "verify": _verify}[options.action](options)
    except ModelNotAvailable as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_STATUS[error.code]


# --- list ---------------------------------------------------------------------------------------


def _number(gigabytes: float) -> str:
    """Return a size with a digit that says something, for tiny decoders too."""
    return f"{gigabytes:.1f}" if gigabytes >= 0.1 else f"{gigabytes:.2f}"


def _list(options: argparse.Namespace) -> int:
    rows = inventory.overview()
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    for row in rows:
        states = {
            "here": f"here, {_number(row['disk_gb'])} GB",
            "partly": f"partly, {_number(row['fetched_gb'])} of {_number(row['download_gb'])} GB",
            "absent": f"not here, {_number(row['download_gb'])} GB to fetch",
        }
        state = "bundled" if not row["source"] else states[row["state"]]
        pin = (
            ""
            if not row["source"]
            else f", revision {row['revision'][:12]}"
            if row["pinned"]
            else ", unpinned"
        )
        sys.stdout.write(f"{row['name']:24} {state}; {row['licence']}{pin}\n")
    sys.stdout.write(f"Fetched models lie in {store.root()}\n")
    return 0


# --- download -----------------------------------------------------------------------------------


def _download(options: argparse.Namespace) -> int:
    def work(name: str, emit: Emit, cancelled: Callable[[], bool]) -> int:
        return run_download(name, name, emit, cancelled, options.endpoint, options.allow_unpinned)

    if options.json:
        return _with_events(work, options.model)
    from sync_engine.cli.terminal import TerminalProgress

    with TerminalProgress(Stage.DOWNLOAD) as bar:
        return _until_stopped(work, options.model, bar.tell)


def _with_events(work: Callable[..., int], model: Any) -> int:
    """Do a piece of work and print its events, nothing else, to stdout."""
    from sync_engine.common.streams import take_stdout

    stream = take_stdout()
    return _until_stopped(work, model, lambda event: stream.write(encode(event)))


def _until_stopped(work: Callable[..., int], model: Any, emit: Emit) -> int:
    """Do a piece of work that Ctrl-C and SIGTERM stop."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return work(model, emit, stop.is_set)


def run_download(
    job: str,
    name: str,
    emit: Emit,
    cancelled: Callable[[], bool],
    endpoint: str | None = None,
    allow_unpinned: bool = False,
) -> int:
    """Fetch a model, tell about it in events of the protocol, and return the exit status."""

    def work(reporter: Reporter, check: Callable[[], None]) -> dict[str, str]:
        return {"folder": str(for_job(model_or_net(name), reporter, check, endpoint, allow_unpinned))}

    return _told(job, Stage.DOWNLOAD, emit, cancelled, work)


def _told(
    job: str,
    stage: Stage,
    emit: Emit,
    cancelled: Callable[[], bool],
    work: Callable[[Reporter, Callable[[], None]], dict[str, str]],
) -> int:
    """Do a piece of work, tell about it in events of the protocol, and return the exit status."""
    reporter = Reporter(job, emit)

    def check() -> None:
        if cancelled():
            raise JobCancelled

    try:
        reporter.stage(stage)
        files = work(reporter, check)
    except JobCancelled:
        emit(Cancelled(job))
        return EXIT_CANCELLED
    except Exception as error:  # the boundary of the command: words, not a traceback
        failure = describe(error)
        if failure.code is FailureCode.INTERNAL:
            logging.getLogger(__name__).exception("%s failed", stage)
        emit(Failed(job, failure.code, failure.message, failure.hint))
        return EXIT_STATUS.get(failure.code, 1)
    emit(Done(job, files, {"total": reporter.seconds}))
    return 0


# --- remove and verify --------------------------------------------------------------------------


def _remove(options: argparse.Namespace) -> int:
    for line in inventory.removed(options.model):
        sys.stdout.write(f"{line}\n")
    return 0


def run_remove(name: str, emit: Emit, cancelled: Callable[[], bool]) -> int:
    """``inventory.removed`` with events of the protocol; what there is to say is a note."""

    def work(reporter: Reporter, _check: Callable[[], None]) -> dict[str, str]:
        for line in inventory.removed(name):
            reporter.note(line)
        return {}

    return _told(name, Stage.REMOVE, emit, cancelled, work)


def _verify(options: argparse.Namespace) -> int:
    names = options.model or inventory.here()
    bad = False
    for name in names:
        for path, problem in inventory.verified(model_or_net(name)):
            bad = bad or bool(problem)
            sys.stdout.write(f"{name}: {path}: {problem or 'good'}\n")
    if bad:
        sys.stdout.write("Remove what is damaged and download it again.\n")
    return EXIT_STATUS[FailureCode.MODEL_NOT_AVAILABLE] if bad else 0


def run_verify(names: list[str], emit: Emit, cancelled: Callable[[], bool]) -> int:
    """``inventory.verified`` with events of the protocol: its steps are megabytes."""

    def work(reporter: Reporter, check: Callable[[], None]) -> dict[str, str]:
        for name in names or inventory.here():
            model, read = model_or_net(name), 0
            folder = store.installed(model) if model.on_hub else Path(model.source)
            total = store.size_of(folder) if folder else 0

            def on_block(total: int = total) -> None:
                nonlocal read
                check()
                read = min(total, read + store.BLOCK_BYTES)
                reporter.megabytes(read / 1e6, total / 1e6, 0.0)

            bad = [f"{path} ({problem})" for path, problem in inventory.verified(model, on_block) if problem]
            if bad:
                more = Message("and {count} more", count=len(bad) - 3) if len(bad) > 3 else ""
                raise ModelNotAvailable(
                    Message(
                        "model = {name} is damaged: {bad}.",
                        name=repr(name),
                        bad=joined(", ".join(bad[:3]), more),
                    ),
                    "Remove what is damaged and download it again.",
                )
        return {}

    return _told(" ".join(names), Stage.VERIFY, emit, cancelled, work)
