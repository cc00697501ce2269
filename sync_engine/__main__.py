# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's command line: generate, batch, serve, models, evaluate, doctor."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from sync_engine.catalog.models import TABLE
from sync_engine.cli import batch as batch_command
from sync_engine.cli import evaluate as evaluation
from sync_engine.cli import export as export_command
from sync_engine.cli import guides as guides_options
from sync_engine.cli import models as models_command
from sync_engine.cli import radiance, streams
from sync_engine.cli.streams import Hearer
from sync_engine.common.errors import EngineError, JobCancelled, describe
from sync_engine.common.priority import wait_without_spinning
from sync_engine.interface.embedded import read_spec
from sync_engine.interface.guides import control_nets_of
from sync_engine.interface.memory_plan import OFFLOADS, WEIGHTS
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
from sync_engine.interface.methods import METHODS
from sync_engine.interface.spec import (
    KINDS,
    PRECISIONS,
    PROJECTIONS,
    SOLVERS,
    EnvironmentSpec,
    SpecError,
)

STOP_GRACE_S = 10.0
SPEC_OPTIONS: dict[str, dict[str, Any]] = {
    "prompt": {"help": "what the environment shows"},
    "negative": {"help": "what it should not show"},
    "kind": {"choices": KINDS, "help": "a 360° world or a flat plate"},
    "width": {"type": int, "help": "pixels"},
    "height": {"type": int, "help": "pixels (a world: half the width)"},
    "projection": {"choices": PROJECTIONS, "help": "how a world is painted"},
    "prompt_zenith": {"help": "what the view straight up shows"},
    "prompt_nadir": {"help": "what the view straight down shows"},
    "method": {
        "choices": tuple(METHODS),
        "help": " ".join(f"{method.name}: {method.help}." for method in METHODS.values()),
    },
    "model": {"metavar": "draft|ID|DIR|FILE", "help": "a name of the table, a hub id, a folder or a file"},
    "loras": {
        "flag": "--lora",
        "action": "append",
        "metavar": "FILE[:WEIGHT]",
        "help": "a LoRA for the model, a safetensors file; may be given several times",
    },
    "tiny_decoder": {"metavar": "auto|none|DIR", "help": "what previews and sync decode with"},
    "solver": {"choices": SOLVERS, "help": "how steps are made; auto is the model's own"},
    "steps": {"type": int, "help": "denoising steps"},
    "guidance": {"type": float, "help": "classifier-free guidance scale"},
    "seed": {"type": int},
    "sync_strength": {
        "type": float,
        "help": "weight of the sync gradient; usual: "
        + ", ".join(
            f"{method.usual_strength} for {method.name}"
            for method in METHODS.values()
            if method.usual_strength
        ),
    },
    "sync_steps": {
        "type": int,
        "help": "number of initial steps with sync (every second of them where windows are decoded)",
    },
    "sync_decay": {"type": float, "help": "factor on the strength from step to step"},
    "stride": {"type": int, "help": "distance of neighbouring windows in latent cells"},
    "sun_stops": {"type": float, "help": "the lights' strength in stops over the rest of a world"},
    "ldr": {"action": "store_true", "help": "keep the picture's range: no light is added"},
    "exposure": {"type": float, "metavar": "EV", "help": "of a world; left out: as bright as suits a scene"},
    "device": {"metavar": "auto|cpu|cuda|cuda:N|mps"},
    "precision": {"choices": PRECISIONS},
    "weights": {"choices": WEIGHTS, "help": "how the weights are kept; fp8: in 8 bits, half the memory"},
    "offload": {
        "choices": OFFLOADS,
        "help": "let text encoder and denoiser take turns on the GPU (model), or layer by layer (group)",
    },
    "compile": {"action": "store_true", "help": "compile the denoiser (CUDA; for many pictures)"},
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    root = argparse.ArgumentParser(prog="python -m sync_engine", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    generate = commands.add_parser("generate", help="make one environment")
    for name, options in SPEC_OPTIONS.items():
        settings = dict(options)
        flag = settings.pop("flag", f"--{name.replace('_', '-')}")
        generate.add_argument(flag, dest=name, default=None, **settings)
    generate.add_argument(
        "--spec", type=Path, help="a JSON spec, or a result (EXR, PNG, spec.json); options win"
    )
    guides_options.add_options(generate)
    generate.add_argument("--out", type=Path, required=True, help="folder of the result")
    generate.add_argument("--json", action="store_true", help="print the protocol's events")
    generate.add_argument(
        "--yes", action="store_true", help="fetch the model that the file of --spec names, without a question"
    )
    serve = commands.add_parser("serve", help="speak the protocol on stdin and stdout")
    serve.add_argument("--idle-release", type=float, default=600.0, metavar="SECONDS")
    batch_command.add_parser(commands)
    models_command.add_parser(commands)
    evaluation.add_parser(commands)
    radiance.add_parsers(commands)
    export_command.add_parser(commands)
    doctor = commands.add_parser("doctor", help="say what is here and what would be used")
    doctor.add_argument("--json", action="store_true")
    doctor.add_argument("--model", metavar="ID|DIR|FILE", help="say how this model would use the memory")
    doctor.add_argument("--width", type=int, help="pixels of a World with this model")
    return root


def spec_from(options: argparse.Namespace) -> EnvironmentSpec:
    """Return the validated spec of ``generate``'s options; SpecError names what is wrong."""
    given = {name: getattr(options, name) for name in SPEC_OPTIONS if getattr(options, name) is not None}
    if "loras" in given:
        given["loras"] = tuple(given["loras"])
    if "model" in given:
        given["model"] = _from_anywhere(given["model"])
    base = None if options.spec is None else read_spec(options.spec)
    kind = given.get("kind") or (base.kind if base else "world")
    guides = guides_options.guides_of(options, kind)
    if guides is not None:
        given["guides"] = tuple(guides)
    if base is None:
        return EnvironmentSpec.from_dict(given)
    if "width" in given and "height" not in given:
        given["height"] = None
    return dataclasses.replace(base, **given).validated()


def _from_anywhere(model: str) -> str:
    """Return a folder or a file that is meant from where the command runs as an absolute path."""
    path = Path(model).expanduser()
    return str(path.absolute()) if path.exists() and model not in TABLE else model


def generate(options: argparse.Namespace) -> int:
    """Run one job and return the exit status of the contract."""
    if options.json:
        from sync_engine.common.streams import take_stdout

        hearer = Hearer(take_stdout().write)

        def emit(event: Event) -> None:
            hearer(encode(event))

        return _generate(options, emit)
    from sync_engine.cli.terminal import TerminalProgress

    with TerminalProgress() as bar:
        return _generate(options, bar.tell)


def _generate(options: argparse.Namespace, emit: Any) -> int:
    job = options.out.name or "result"
    try:
        spec = spec_from(options)
    except SpecError as error:
        message = f"{error.field} = {error.value}: {error.problem}."
        emit(Failed(job, FailureCode.BAD_SPEC, message, error.remedy))
        return EXIT_STATUS[FailureCode.BAD_SPEC]
    problem = _missing_packages()
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


def _missing_packages() -> Failed | None:
    from sync_engine.cli.doctor import INSTALL_HINT, missing_packages

    missing = missing_packages()
    if not missing:
        return None
    message = f"The engine's Python {sys.executable} has no {', '.join(missing)}."
    return Failed(None, FailureCode.ENGINE_MISSING, message, INSTALL_HINT)


def doctor(as_json: bool, model: str | None = None, width: int | None = None) -> int:
    """Print the report; exit status 0 when everything needed is here."""
    from sync_engine.cli.doctor import examine, in_words, plan_of

    report = examine()
    if model is not None and not report["problems"]:
        try:
            report["plan"] = plan_of(_from_anywhere(model), width)
        except EngineError as error:
            report["problems"].append(str(error))
    sys.stdout.write((json.dumps(report, indent=2) if as_json else in_words(report)) + "\n")
    return 1 if report["problems"] else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    streams.prepare()
    try:
        return _run(arguments)
    except BrokenPipeError:  # as of "| head": what was to be printed is all that is lost
        return 0
    finally:
        streams.finish()


def _run(arguments: list[str] | None) -> int:
    options = parser().parse_args(arguments)
    wait_without_spinning()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if options.command == "generate":
        return generate(options)
    if options.command == "batch":
        return batch_command.run(options)
    if options.command == "batch-session":
        return batch_command.run_session(options)
    if options.command == "models":
        return models_command.run(options)
    if options.command == "doctor":
        return doctor(options.json, options.model, options.width)
    if options.command == "evaluate":
        return evaluation.run(options)
    if options.command in ("expand", "inspect"):
        return radiance.run(options)
    if options.command == "export":
        return export_command.run(options)
    from sync_engine.cli.serve import serve

    problem = _missing_packages()
    if problem is not None:
        sys.stdout.buffer.write(encode(problem))
        return 1
    return serve(options.idle_release)


if __name__ == "__main__":
    sys.exit(main())
