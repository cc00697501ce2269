# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sync_engine rank N``: a process beside that of a job on several devices, which starts it.

A line of JSON on stdin is a job: ``spec``, with its seed, and ``meeting``, the file by which the processes
find each other. On stdout it says how far it is, to ``runtime/helpers.py``. It writes no files, and ends when
its stdin does.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import queue
import threading
from pathlib import Path
from typing import Any, BinaryIO

from sync_engine.common.errors import describe
from sync_engine.common.streams import take_stdin, take_stdout
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.spec import EnvironmentSpec

log = logging.getLogger(__name__)


def add_parser(commands: Any) -> None:
    """Add the command ``rank``, which nobody types, to the engine's command line."""
    commands.add_parser("rank").add_argument("number", type=int)


def run(options: argparse.Namespace) -> int:
    """Take part in jobs until stdin ends."""
    number: int = options.number
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(take_stdin(), jobs), daemon=True).start()
    out = take_stdout()
    from sync_engine.runtime import helpers
    from sync_engine.runtime.job import Engine

    def say(word: str, **more: str) -> None:
        out.write(json.dumps({"said": word, **more}).encode() + b"\n")

    engine = Engine()
    while True:
        job = json.loads(jobs.get())
        try:
            spec = EnvironmentSpec.from_dict(job["spec"])
            engine.take_part(spec, number, Path(job["meeting"]), lambda: say(helpers.READY))
        except Exception as error:  # the boundary of a part: the process that has the job tells it
            failure = describe(error)
            if failure.code is FailureCode.INTERNAL:
                log.exception("rank %d failed", number)
            words = {"code": failure.code.value, "message": str(failure.message), "hint": str(failure.hint)}
            say(helpers.FAILED, **words)
            return 1
        say(helpers.DONE)


def _read(stdin: BinaryIO, jobs: queue.SimpleQueue[bytes]) -> None:
    for line in stdin:
        jobs.put(line)
    os._exit(0)  # whoever started this process is gone, or has no more jobs
