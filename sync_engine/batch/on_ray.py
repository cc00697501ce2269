# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch on Ray: actors that keep one model loaded and take the jobs of their model first.

Ray is imported only here. One that is started here listens on loopback and has no dashboard: whoever reaches
Ray's ports may run programs (https://docs.ray.io/en/latest/ray-security/index.html).
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync_engine.batch.object_store import open_results
from sync_engine.batch.plan import Plan
from sync_engine.batch.runner import Engine, Runner
from sync_engine.batch.shared_folder import SharedFolder
from sync_engine.batch.standing import Standing, State
from sync_engine.common import children
from sync_engine.common.errors import EngineError
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message

log = logging.getLogger(__name__)
LOCAL = "ray"
IN_HAND = 2
"""Calls that an actor has at a time: one that it works on, one that waits, so that it never waits."""
CALL_S, MOST_A_CALL = 0.5, 64
"""Quick jobs go by several a call, as many as take about so long."""
MOST_DEATHS = 5
"""So many actors in a row may end without a single result."""
LOOK_AGAIN_S = 0.5


@dataclass(frozen=True)
class Placement:
    """What each actor is given of a machine; Ray places it where that is free.

    Attributes:
        workers: actors, at most; 0 for one a GPU, or two where the cluster has none.
        cpus: cores, which are also torch's threads.
        gpus: of one GPU, such as 0.5 for two actors that share it.
        memory_gb: of main memory, in GiB.
    """

    workers: int = 0
    cpus: float = 1.0
    gpus: float = 0.0
    memory_gb: float = 0.0


class Worker:
    """One actor: a worker of the shared folder with an engine, on any machine that sees the folder."""

    def __init__(
        self, plan: str, out: Path | str, stale_after_s: float, name: str, make_engine: Callable[[], Engine]
    ) -> None:
        logging.basicConfig(level=logging.INFO)
        self._folder = open_results(out, stale_after_s, name).__enter__()
        self._runner = Runner(Plan(self._folder.plan(Path(plan))), self._folder, make_engine())

    def take(self, numbers: list[int]) -> tuple[list[int | None], float]:
        """Make some jobs; return what ``Runner.take`` says of each, and the seconds of all."""
        begin = time.monotonic()
        return [self._runner.take(number) for number in numbers], time.monotonic() - begin

    def close(self) -> None:
        """Sign off."""
        self._folder.__exit__()


@dataclass
class _Actor:
    name: str
    handle: Any
    group: int
    in_hand: dict[Any, list[int]] = field(default_factory=dict)


class JobQueue:
    """Open jobs by group, so that an actor goes on with the model that it has loaded."""

    def __init__(self, plan: Plan) -> None:
        self._groups = plan.groups
        self._waiting: dict[int, deque[int]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, number: int) -> None:
        """Put a job at the end of its group."""
        self._waiting.setdefault(self._groups[number], deque()).append(number)

    def next_for(self, group: int, all_groups: list[int]) -> int | None:
        """Return a job of an actor's group; without one, of the group with most jobs for each of its actors.

        Args:
            group: whose model the actor has loaded.
            all_groups: those of all actors.
        """
        if not self._waiting.get(group):
            self._waiting = {key: numbers for key, numbers in self._waiting.items() if numbers}
            if not self._waiting:
                return None
            group = max(self._waiting, key=lambda key: len(self._waiting[key]) / (1 + all_groups.count(key)))
        return self._waiting[group].popleft()


class RayBatch:
    """Drives the actors.

    Args:
        plan, folder: of the batch; the driver is a worker of the folder too, but makes nothing.
        address: ``ray`` for one that is started here, ``ray://HOST:PORT`` for a cluster.
        placement: of each actor.
        stale_after_s: as the folder's.
        make_engine: what an actor makes its engine with; importable on every machine.
        stop: whether no further job is wanted.
    """

    def __init__(
        self,
        plan: Plan,
        folder: SharedFolder,
        address: str,
        placement: Placement,
        stale_after_s: float,
        make_engine: Callable[[], Engine],
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._plan, self._folder, self._placement = plan, folder, placement
        self._stale_after_s, self._make_engine, self._stop = stale_after_s, make_engine, stop
        self._ray = connect(address, placement)
        self._actors: list[_Actor] = []
        self._deaths, self._job_s = 0, CALL_S

    def run(self, tell: Callable[[State], object]) -> State:
        """Work until every job is done or set aside, or ``stop`` says so."""
        standing = Standing(self._plan.identities, self._folder)
        try:
            while not self._stop() and not standing.state().over:
                queue = JobQueue(self._plan)
                for number in self._plan.by_group():
                    if standing.is_open(self._plan.identities[number]):
                        queue.add(number)
                worked = self._empty(queue, standing, tell)
                if not worked:
                    time.sleep(LOOK_AGAIN_S)  # what is left is in the hands of others
                standing.look()
                tell(standing.state())
            return standing.state()
        finally:
            self._close()

    def _empty(self, queue: JobQueue, standing: Standing, tell: Callable[[State], object]) -> bool:
        """Have the actors take every job of a queue; tell whether any was taken."""
        worked = False
        while True:
            if not self._stop():
                self._hand_out(queue)
            refs = [ref for actor in self._actors for ref in actor.in_hand]
            if not refs:
                return worked
            ready, _ = self._ray.wait(refs, num_returns=1, timeout=1.0)
            for ref in ready:
                actor = next(actor for actor in self._actors if ref in actor.in_hand)
                worked |= self._collect(actor, ref, queue, standing)
            if standing.look_now_and_then():
                tell(standing.state())

    def _hand_out(self, queue: JobQueue) -> None:
        wanted = self._placement.workers or max(2, int(self._ray.cluster_resources().get("GPU", 0)))
        while len(self._actors) < min(wanted, len(queue)):
            self._actors.append(self._start())
        for actor in self._actors:
            while len(actor.in_hand) < IN_HAND:
                numbers = self._next_for(actor, queue)
                if not numbers:
                    return
                actor.in_hand[actor.handle.take.remote(numbers)] = numbers

    def _next_for(self, actor: _Actor, queue: JobQueue) -> list[int]:
        numbers: list[int] = []
        groups = [other.group for other in self._actors]
        while len(numbers) < max(1, min(MOST_A_CALL, int(CALL_S / self._job_s))):
            number = queue.next_for(actor.group, groups)
            if number is None:
                break
            actor.group = self._plan.groups[number]
            numbers.append(number)
        return numbers

    def _collect(self, actor: _Actor, ref: Any, queue: JobQueue, standing: Standing) -> bool:
        """Take what came of a call; an actor that died is replaced, its jobs go back. Tell if it worked."""
        try:
            outcomes, seconds = self._ray.get(ref)
        except self._ray.exceptions.RayActorError as error:
            self._on_exit(actor, queue, error)
            return True
        numbers = actor.in_hand.pop(ref)
        self._job_s = max(1e-4, seconds / len(numbers))
        for number, tries in zip(numbers, outcomes, strict=True):
            identity = self._plan.identities[number]
            if tries == 0:
                self._deaths = 0
                standing.done.add(identity)
            elif tries is not None:
                standing.attempts[identity] = tries
                if standing.is_open(identity):
                    queue.add(number)
        return any(tries is not None for tries in outcomes)

    def _on_exit(self, actor: _Actor, queue: JobQueue, error: Exception) -> None:
        log.warning("the actor %s is gone: %s", actor.name, str(error).splitlines()[0])
        self._actors.remove(actor)
        self._folder.declare_dead(actor.name)
        for number in (number for numbers in actor.in_hand.values() for number in numbers):
            queue.add(number)
        self._deaths += 1
        if self._deaths >= MOST_DEATHS:
            raise EngineError(
                FailureCode.ENGINE_DIED,
                Message(
                    "{deaths} actors of Ray ended without a result ({reason}).",
                    deaths=self._deaths,
                    reason=str(error).splitlines()[-1][:300],
                ),
                "See Ray's log; every machine needs the engine's packages and the shared folder.",
            ) from error

    def _start(self) -> _Actor:
        given = self._placement
        options = {"num_cpus": given.cpus, "num_gpus": given.gpus, "max_restarts": 0}
        if given.memory_gb:
            options["memory"] = int(given.memory_gb * 2**30)
        name = f"ray-{secrets.token_hex(4)}"
        plan, out = str(self._plan.path.absolute()), self._folder.address
        remote = self._ray.remote(Worker).options(**options)
        handle = remote.remote(plan, out, self._stale_after_s, name, self._make_engine)
        return _Actor(name, handle, group=-1)

    def _close(self) -> None:
        """End the actors and what was started here; jobs in hand are finished when it is not too late."""
        for actor in self._actors:
            try:
                self._ray.get(actor.handle.close.remote(), timeout=30)
            except (self._ray.exceptions.RayError, TimeoutError):
                self._folder.declare_dead(actor.name)
        self._ray.shutdown()


def connect(address: str, placement: Placement) -> Any:
    """Return Ray, connected; EngineError if it is not installed or the cluster does not answer."""
    try:
        import ray  # type: ignore[import-not-found]
    except ImportError as error:
        raise EngineError(
            FailureCode.ENGINE_MISSING,
            "The engine's Python has no ray, which --on ray needs.",
            "Install sync_engine/requirements/ray.txt into it.",
        ) from error
    quiet: dict[str, Any] = {"logging_level": logging.WARNING, "log_to_driver": False}
    path = {"env_vars": {"PYTHONPATH": children.environment()["PYTHONPATH"]}}
    try:
        if address == LOCAL:
            # Reachable from this machine only, and without the dashboard, which runs whatever it is sent.
            ray.init(
                num_cpus=max(1, round(placement.cpus * (placement.workers or 2))),
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                runtime_env=path,
                **quiet,
            )
        else:
            ray.init(address=address, runtime_env=path, **quiet)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise EngineError(
            FailureCode.ENGINE_DIED,
            Message(
                "on = {address}: Ray does not answer ({reason}).",
                address=repr(address),
                reason=str(error).strip().splitlines()[0][:300],
            ),
            "Check the address, and that the cluster runs this version of Ray.",
        ) from error
    return ray
