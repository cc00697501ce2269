# SPDX-License-Identifier: GPL-3.0-or-later
"""The other processes of jobs on several devices: started, watched, and ended when one of them is lost.

Each has a device of its own and keeps its model between jobs. It reads jobs from its stdin and ends with it.
What goes wrong in one ends the job with words, and all of them; the next job starts them again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from sync_engine.common import children
from sync_engine.common.errors import EngineError
from sync_engine.common.ranks import ALONE, Ranks, joined, lost
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.spec import EnvironmentSpec

log = logging.getLogger(__name__)
LOOK_S = 0.02
READY, DONE, FAILED = "ready", "done", "failed"
"""What a helper says: its model is loaded; its part of the job is over; it cannot go on."""


class _Helper:
    """One process and what it has said of the job at hand."""

    def __init__(self, number: int) -> None:
        self.process = subprocess.Popen(
            [*children.COMMAND, "rank", str(number)],
            env=children.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C ends the job through this process
        )
        self.number, self.said, self.failure = number, "", None
        threading.Thread(target=self._listen, name=f"rank {number}", daemon=True).start()

    def send(self, job: dict[str, Any]) -> None:
        """Begin a job."""
        assert self.process.stdin is not None
        self.said = ""
        with contextlib.suppress(OSError):  # its end is seen by ``check``
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()

    def check(self) -> None:
        """Raise what it failed with, or that it is gone."""
        if self.failure is not None:
            raise self.failure

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if told["said"] == FAILED:
                code = FailureCode(told["code"])
                self.failure = EngineError(code, told["message"], told["hint"])
            self.said = told["said"]
        self.failure = self.failure or lost(f"rank {self.number}, exit status {self.process.wait()}")


class Helpers:
    """The processes beside this one, as many as the last job has wanted."""

    def __init__(self) -> None:
        self._helpers: list[_Helper] = []
        self._meetings: tempfile.TemporaryDirectory[str] | None = None
        self._meeting, self._wanted = Path(), False

    @contextlib.contextmanager
    def beginning(self, spec: EnvironmentSpec) -> Iterator[Helpers]:
        """Have the others load the model of a job, whose seed is drawn; a job that ends early ends them too.

        For a job on one device none is wanted; those that there are stay, with their model.
        """
        count = len(spec.devices) - 1
        self._wanted = count > 0
        if self._wanted and (len(self._helpers) != count or any(helper.failure for helper in self._helpers)):
            self.close()
        if self._wanted and not self._helpers:
            self._meetings = tempfile.TemporaryDirectory(prefix="syncscape-ranks-")
            self._helpers = [_Helper(number) for number in range(1, count + 1)]
        if self._meetings is not None:
            self._meeting = Path(self._meetings.name) / secrets.token_hex(8)
        try:
            for helper in self._helpers if self._wanted else ():
                helper.send({"spec": spec.to_dict(), "meeting": str(self._meeting)})
            yield self
        except BaseException:
            if self._wanted:
                self.close()  # they would wait for this process
            raise

    def wait_until_ready(self, check: Callable[[], None]) -> None:
        """Wait until the others have loaded the model; see ``joined``."""
        if self._wanted:
            self._wait_for(READY, check)

    @contextlib.contextmanager
    def joined(self, device: torch.device, check: Callable[[], None]) -> Iterator[Ranks]:
        """Meet the others for the job that has begun; at the end wait until their parts are over.

        Args:
            device: of this process.
            check: called while it waits; may raise to stop.

        Raises:
            EngineError: one of the others has failed or is gone.
        """
        if not self._wanted:
            yield ALONE
            return

        def check_all() -> None:
            check()
            for helper in self._helpers:
                helper.check()

        with joined(0, 1 + len(self._helpers), self._meeting, device, check_all) as ranks:
            yield ranks
            self._wait_for(DONE, check)

    def _wait_for(self, word: str, check: Callable[[], None]) -> None:
        while any(helper.said != word for helper in self._helpers):
            check()
            for helper in self._helpers:
                helper.check()
            time.sleep(LOOK_S)

    def close(self) -> None:
        """End the others, whatever they do."""
        for helper in self._helpers:
            helper.process.kill()
        for helper in self._helpers:
            helper.process.wait()
            for stream in (helper.process.stdin, helper.process.stdout):
                with contextlib.suppress(OSError):
                    if stream is not None:
                        stream.close()
        self._helpers = []
        if self._meetings is not None:
            self._meetings.cleanup()
            self._meetings = None
