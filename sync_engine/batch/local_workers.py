# SPDX-License-Identifier: GPL-3.0-or-later
"""Several worker processes on one machine, each with its share of the processor and of the GPUs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from sync_engine.batch.plan import Plan
from sync_engine.batch.shared_folder import SharedFolder
from sync_engine.batch.standing import Standing, State
from sync_engine.common import children
from sync_engine.common.errors import EngineError
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message

LOOK_EVERY_S = 0.5
WORKER = (*children.COMMAND, "batch")


class LocalWorkers:
    """Starts workers on one plan and waits for them.

    Args:
        plan, folder: of the batch.
        count: how many.
        stale_after_s: as the folder's.
        stop: whether the work is to end; the workers are told once.
        command: what begins a worker's command line.
    """

    def __init__(
        self,
        plan: Plan,
        folder: SharedFolder,
        count: int,
        stale_after_s: float,
        stop: Callable[[], bool] = lambda: False,
        command: Sequence[str] = WORKER,
    ) -> None:
        self._plan, self._folder, self._count, self._stop = plan, folder, count, stop
        self._command = [*command, "--plan", str(plan.path), "--out", str(folder.address), "--worker"]
        self._command += ["--stale-after", str(stale_after_s)]

    def run(self, tell: Callable[[State], object]) -> State:
        """Work until no worker is left. One that dies is not started again: the others take its jobs.

        Raises EngineError when all ended and jobs are still open.
        """
        standing = Standing(self._plan.identities, self._folder)
        logs = [self._folder.hidden / f"worker-{number}.log" for number in range(self._count)]
        gpus = visible_gpus(os.environ)
        with contextlib.ExitStack() as files:
            workers = [
                subprocess.Popen(
                    self._command,
                    env=children.environment(**share(number, self._count, os.environ, gpus)),
                    stderr=files.enter_context(log.open("wb")),
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # a terminal's Ctrl-C comes through this process, once
                )
                for number, log in enumerate(logs)
            ]
            told = False
            while any(worker.poll() is None for worker in workers):
                if self._stop() and not told:
                    told = True
                    for worker in workers:
                        worker.terminate()
                time.sleep(LOOK_EVERY_S)
                if standing.look_now_and_then():
                    tell(standing.state())
        standing.look()
        state = standing.state()
        if not state.over and not told:
            left = state.jobs - state.done - state.failed
            raise EngineError(
                FailureCode.ENGINE_DIED,
                Message("All {count} workers ended, and {left} jobs are left.", count=self._count, left=left),
                Message(
                    "Their last words are in {parent}; start the batch again to go on.", parent=logs[0].parent
                ),
            )
        return state


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Return the CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [part for part in named.split(",") if part]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def share(number: int, count: int, environment: Mapping[str, str], gpus: Sequence[str]) -> dict[str, str]:
    """Return the environment variables that give one of ``count`` workers its share.

    Processor cores are split, for workers that each want all of them slow each other down; GPUs go around.
    """
    told = {}
    if "OMP_NUM_THREADS" not in environment:
        told["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // count))
    if gpus:
        told["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    return told
