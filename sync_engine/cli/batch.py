# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sync_engine batch``: the jobs of a file, each done once, whatever happens in between."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_engine.batch import object_store, on_ray, openjd, session
from sync_engine.batch.local_workers import LocalWorkers
from sync_engine.batch.plan import Plan, write_plan
from sync_engine.batch.progress import BatchProgress
from sync_engine.batch.report import Report
from sync_engine.batch.runner import Engine, Runner
from sync_engine.batch.session import SOME_FAILED
from sync_engine.batch.shared_folder import HIDDEN, STALE_AFTER_S, SharedFolder
from sync_engine.batch.standing import State
from sync_engine.common.errors import EngineError, JobCancelled, ModelNotAvailable, OutputError, describe
from sync_engine.interface.guides import control_nets_of
from sync_engine.interface.messages import EXIT_CANCELLED, EXIT_STATUS, FailureCode
from sync_engine.interface.wording import Message

MOST_WORKERS = 1024


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    batch = commands.add_parser("batch", help="make many environments, each once, on any number of machines")
    batch.add_argument(
        "jobs", type=Path, nargs="?", help="a .jsonl or .csv of spec fields, or a .toml matrix"
    )
    batch.add_argument(
        "--out", type=_out, required=True, help="folder of all results; many may share it; or a URL (s3://…)"
    )
    batch.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="leave out what is done (the default); --no-resume wants a folder without results of these jobs",
    )
    batch.add_argument("--retry-failed", action="store_true", help="try those again that were set aside")
    batch.add_argument("--workers", type=int, metavar="N", help="processes here (1), or actors of Ray")
    batch.add_argument(
        "--on", metavar="ray|ray://HOST:PORT", help="work on Ray: one that is started here, or a cluster"
    )
    batch.add_argument("--cpus", type=float, default=1.0, help="cores for each actor of Ray")
    batch.add_argument("--gpus", type=float, default=0.0, help="GPUs for each actor of Ray, such as 0.5")
    batch.add_argument("--memory-gb", type=float, default=0.0, help="main memory for each actor of Ray")
    batch.add_argument("--json", action="store_true", help="print progress as the protocol's events")
    batch.add_argument(
        "--stale-after",
        type=float,
        default=STALE_AFTER_S,
        metavar="SECONDS",
        help="a worker that gives no sign for so long counts as dead (the same for all; default %(default)g)",
    )
    batch.add_argument(
        "--yes", action="store_true", help="fetch models that are not here, without a question"
    )
    batch.add_argument("--plan", type=Path, metavar="FILE", help="a checked plan instead of JOBS")
    batch.add_argument(
        "--write-openjd", type=Path, metavar="DIR", help="write a job bundle for a farm, and start nothing"
    )
    batch.add_argument(
        "--numbers", metavar="RANGE", help="only these jobs of the plan, as a farm names a chunk"
    )
    batch.add_argument("--session", type=Path, metavar="DIR", help="have a farm's session make them")
    batch.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)  # somebody else reports
    kept = commands.add_parser("batch-session", help="keep an engine loaded between the tasks of a farm")
    kept.add_argument("action", choices=("start", "serve", "stop"))
    kept.add_argument("folder", type=Path, help="the session's folder on this machine")


def _out(text: str) -> Path | str:
    return text if object_store.is_url(text) else Path(text)


def run_session(options: argparse.Namespace) -> int:
    """Run ``batch-session``; return its exit status."""
    try:
        if options.action == "start":
            session.start(options.folder)
        elif options.action == "serve":
            session.serve(options.folder, real_engine)
        else:
            session.stop(options.folder)
    except EngineError as error:
        return _failed(error, BatchProgress())
    return 0


def run(options: argparse.Namespace, make_engine: Callable[[], Engine] | None = None) -> int:
    """Run the command; return its exit status.

    Args:
        options: of the parser.
        make_engine: makes what makes the pictures; by default the real engine.
    """
    with BatchProgress(options.json, options.worker) as progress:
        try:
            return _run(options, make_engine or real_engine, progress)
        except EngineError as error:
            return _failed(error, progress)
        except OSError as error:
            words = Message("out = {out} cannot be written ({reason}).", out=options.out, reason=error)
            return _failed(OutputError(words, "Name another folder."), progress)


def real_engine() -> Engine:
    """Return the engine that a batch works with; EngineError if its packages are missing."""
    from sync_engine.cli.doctor import INSTALL_HINT, missing_packages

    missing = missing_packages()
    if missing:
        message = Message(
            "The engine's Python {python} has no {packages}.",
            python=sys.executable,
            packages=", ".join(missing),
        )
        raise EngineError(FailureCode.ENGINE_MISSING, message, INSTALL_HINT)
    from sync_engine.runtime.job import Engine as RealEngine

    return RealEngine()


def _failed(error: EngineError, progress: BatchProgress) -> int:
    failure = describe(error)
    progress.failed(failure)
    return EXIT_STATUS.get(failure.code, 1)


def _run(options: argparse.Namespace, make_engine: Callable[[], Engine], progress: BatchProgress) -> int:
    if options.workers is not None and not 1 <= options.workers <= MOST_WORKERS:
        words = Message("workers = {workers}: out of range.", workers=options.workers)
        raise EngineError(FailureCode.BAD_SPEC, words, Message("Use 1 to {most}.", most=MOST_WORKERS))
    if object_store.is_url(options.out) and (options.write_openjd or options.numbers):
        words = Message("out = {out}: a farm's jobs write into a folder.", out=repr(options.out))
        raise EngineError(FailureCode.BAD_SPEC, words, "Name a folder that all its machines see.")
    plan = Plan(_plan_path(options, progress.note))
    if options.write_openjd is not None:
        path = openjd.write_bundle(options.write_openjd, plan, options.out)
        sys.stdout.write(f"{path}\n")
        return 0
    if options.jobs is not None:
        _agree(options, plan)
    if options.numbers is not None:
        return _chunk(options, make_engine, plan)
    with Interrupts(progress.note) as stop, _results(options) as folder:
        _prepare(options, plan, folder)
        if not options.worker:
            folder.share([plan.path])
        report = None if options.worker else Report(plan, folder)
        try:
            state = _work(options, make_engine, plan, folder, progress, stop, report)
        except JobCancelled:
            return EXIT_CANCELLED
        finally:
            if report is not None:
                report.write()
    if state.done == state.jobs:
        return 0
    return SOME_FAILED if state.over else EXIT_CANCELLED


def _agree(options: argparse.Namespace, plan: Plan) -> None:
    """Ask about each model that the jobs name and that is not here. A plan was agreed to when it was made."""
    from sync_engine.downloads.consent import check_named_by_file

    first: dict[int, int] = {}
    for number, group in enumerate(plan.groups):
        first.setdefault(group, number)
    can_ask = not options.json and sys.stdin.isatty() and sys.stderr.isatty()
    specs = [plan[number].spec for number in first.values()]
    names = [(spec.model, False) for spec in specs]
    names += [(name, True) for spec in specs for name in control_nets_of(spec.guides)]
    for name, control in dict.fromkeys(names):
        try:
            check_named_by_file(name, options.yes, can_ask, control)
        except ModelNotAvailable:
            continue  # a name that is none: its own jobs tell of it


def _work(
    options: argparse.Namespace,
    make_engine: Callable[[], Engine],
    plan: Plan,
    folder: SharedFolder,
    progress: BatchProgress,
    stop: Interrupts,
    report: Report | None,
) -> State:
    def tell(state: State) -> None:
        progress.tell(state)
        if report is not None:
            report.write_now_and_then()

    if report is not None:
        report.write()
    if options.on is not None:
        placement = on_ray.Placement(options.workers or 0, options.cpus, options.gpus, options.memory_gb)
        on = on_ray.RayBatch(
            plan, folder, options.on, placement, options.stale_after, make_engine, stop.asked
        )
        stop.listen()  # Ray has handlers of its own
        return on.run(tell)
    if (options.workers or 1) > 1:
        return LocalWorkers(plan, folder, options.workers, options.stale_after, stop.asked).run(tell)
    return Runner(plan, folder, make_engine(), tell, progress.event, stop.asked, stop.urgent).run()


def _chunk(options: argparse.Namespace, make_engine: Callable[[], Engine], plan: Plan) -> int:
    """Make one chunk of a farm's, telling the farm how far it is (openjd_progress) and what it says."""

    def tell(state: State) -> None:
        sys.stdout.write(f"openjd_progress: {100 * (state.done + state.failed) / state.jobs:.1f}\n")
        sys.stdout.flush()

    request = {
        "plan": str(plan.path.absolute()),
        "out": str(options.out.absolute()),
        "numbers": openjd.numbers_of(options.numbers),
        "stale_after": options.stale_after,
    }
    if options.session is not None:
        told = session.ask(options.session, request, tell)
    else:
        told = session.work(request, make_engine(), tell)
    sys.stdout.write(f"openjd_{'fail' if told['status'] else 'status'}: {told['words']}\n")
    return told["status"]


def _plan_path(options: argparse.Namespace, note: Callable[[str], None]) -> Path:
    if (options.jobs is None) == (options.plan is None):
        words = "jobs: a batch has either a file of jobs or a plan."
        raise EngineError(FailureCode.BAD_SPEC, words, "Name JOBS or --plan FILE.")
    out = options.out
    here = object_store.local_folder(out) if object_store.is_url(out) else out
    return options.plan or write_plan(options.jobs, here / HIDDEN, note)


def _results(options: argparse.Namespace) -> SharedFolder:
    return object_store.open_results(options.out, options.stale_after)


def _prepare(options: argparse.Namespace, plan: Plan, folder: SharedFolder) -> None:
    there = folder.results() & set(plan.identities)
    if there and not options.resume:
        raise OutputError(
            Message(
                "out = {out} has {count} of these {jobs} jobs already.",
                out=options.out,
                count=len(there),
                jobs=len(plan),
            ),
            "Leave --no-resume out to go on, or name another folder.",
        )
    if options.retry_failed:
        folder.forget_failures(set(plan.identities))


class Interrupts:
    """Ctrl-C: once, the job at hand is finished; twice, it is dropped. Use as a context manager."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._count, self._note = 0, note
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self.listen()
        return self

    def listen(self) -> None:
        """Have signals come here."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.signal(number, self._on_signal)
                self._before.setdefault(number, handler)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, *_: object) -> None:
        self._count += 1
        if self._count == 1:
            self._note("The job at hand is finished first. Ctrl-C again drops it.")

    def asked(self) -> bool:
        """Whether no further job is wanted."""
        return self._count > 0

    def urgent(self) -> bool:
        """Whether the job at hand is to be dropped too."""
        return self._count > 1
