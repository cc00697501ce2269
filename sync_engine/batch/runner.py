# SPDX-License-Identifier: GPL-3.0-or-later
"""One worker of a batch: takes jobs of a plan that nobody else has, one by one, until all are done."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from sync_engine.batch.job_log import JobLog
from sync_engine.batch.plan import Job, Plan
from sync_engine.batch.shared_folder import SharedFolder
from sync_engine.batch.standing import Standing, State
from sync_engine.common.errors import JobCancelled, OutputError, describe
from sync_engine.common.progress import Reporter
from sync_engine.interface.messages import Event
from sync_engine.interface.spec import EnvironmentSpec

log = logging.getLogger(__name__)
LOOK_AGAIN_S = 0.5
"""How often a worker without a job looks whether another has died."""


class Engine(Protocol):
    """What makes the pictures: ``runtime.job.Engine``, or a stand-in of a test."""

    def run(
        self,
        spec: EnvironmentSpec,
        out: Path,
        reporter: Reporter,
        cancelled: Callable[[], bool] = ...,
        job_id: str | None = None,
    ) -> Any:
        """Make the picture of a spec in the folder ``out``, on the disk when it returns."""
        ...


class Runner:
    """Works on the jobs of a plan.

    Args:
        plan: all jobs.
        folder: entered already.
        engine: keeps its model between jobs.
        tell: gets the state now and then, and at the end.
        on_event: gets the events of the job at hand.
        stop: asked between jobs; True ends the work.
        cancelled: asked within a job; True drops it.
    """

    def __init__(
        self,
        plan: Plan,
        folder: SharedFolder,
        engine: Engine,
        tell: Callable[[State], object] = lambda state: None,
        on_event: Callable[[Event], object] = lambda event: None,
        stop: Callable[[], bool] = lambda: False,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._plan, self._folder, self._engine = plan, folder, engine
        self._tell, self._on_event, self._stop, self._cancelled = tell, on_event, stop, cancelled

    def run(self, numbers: Iterable[int] | None = None) -> State:
        """Work until every job (or every one of these numbers) is done or set aside, or ``stop`` says so.

        Raises:
            OutputError: results cannot be written, so no job would get through.
            JobCancelled: ``cancelled`` said so.
        """
        wanted = self._plan.by_group() if numbers is None else list(numbers)
        if numbers is None and self._folder.others_at_work():
            start = random.randrange(len(wanted) or 1)  # apart from the others, so that claims seldom meet
            wanted = wanted[start:] + wanted[:start]
        standing = Standing([self._plan.identities[number] for number in wanted], self._folder)
        while not self._stop():
            wanted = [number for number in wanted if standing.is_open(self._plan.identities[number])]
            if not wanted:
                break
            if not self._pass(wanted, standing):
                time.sleep(LOOK_AGAIN_S)  # all that is left is in others' hands
            standing.look()
            self._tell(standing.state())
        state = standing.state()
        self._tell(state)
        return state

    def _pass(self, numbers: list[int], standing: Standing) -> bool:
        """Go once over jobs that were open; tell whether any could be taken."""
        worked = False
        for number in numbers:
            if self._stop():
                break
            identity = self._plan.identities[number]
            if not standing.is_open(identity):
                continue
            tries = self.take(number)
            if tries is None:
                continue
            worked = True
            if tries:
                standing.attempts[identity] = tries
            else:
                standing.done.add(identity)
            if standing.look_now_and_then():
                self._tell(standing.state())
        return worked

    def take(self, number: int) -> int | None:
        """Make one job unless it is another's; return its failed attempts, 0 if done, None if not taken."""
        identity = self._plan.identities[number]
        if not self._folder.claim(identity):
            return None
        try:
            return self._make(self._plan[number])
        finally:
            self._folder.give_back(identity)

    def _make(self, job: Job) -> int:
        """Make one result, or keep the log of what went wrong; return its failed attempts, 0 if done."""
        place = self._folder.place(job.identity)
        reporter = Reporter(job.identity, self._on_event, wants_preview=False)
        with JobLog() as kept:
            try:
                self._engine.run(job.spec, place, reporter, self._cancelled, job.identity)
                self._folder.publish(job.identity, place)
            except (JobCancelled, OutputError):
                raise
            except Exception as error:  # the boundary of a job: the others must go on
                failure = describe(error)
                words = f"{failure.message} {failure.hint}".strip().replace("\n", " ")
                log.exception("job %s failed: %s", job.identity, words)
                return self._folder.fail(job.identity, f"{words}\n\n{job.spec.to_json()}\n\n{kept.text()}")
        return 0
