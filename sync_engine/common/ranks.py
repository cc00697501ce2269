# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes that paint one picture together: which windows each has, and sums over all of them."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from sync_engine.common.errors import EngineError, first_line
from sync_engine.common.late import torch
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message

POLL_S = 0.0002
NOBODY_S = 24 * 3600.0
"""A sum waits so long by itself: whoever watches the processes ends it much earlier."""


class Ranks:
    """This process among those of a job.

    Args:
        number: of this process, from 0; only 0 talks and writes.
        count: of all processes.
        check: called while a sum waits for the others; may raise to stop.
    """

    def __init__(self, number: int = 0, count: int = 1, check: Callable[[], None] = lambda: None) -> None:
        self.number, self.count, self._check = number, count, check

    @property
    def alone(self) -> bool:
        """Whether there is only this process."""
        return self.count == 1

    def share(self, items: int) -> list[int]:
        """Return which of so many windows, or other items, this process has: as many as the others."""
        begin, end = (items * place // self.count for place in (self.number, self.number + 1))
        return list(range(begin, end))

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum of tensors of one shape over all processes; all call it. A contiguous one changes.

        Raises:
            EngineError: another process is gone.
        """
        if self.alone:
            return tensor
        import torch.distributed

        tensor = tensor.contiguous()
        work = torch.distributed.all_reduce(tensor, async_op=True)
        assert work is not None
        try:
            while not work.is_completed():
                self._check()
                time.sleep(POLL_S)
            work.wait()
        except RuntimeError as error:  # a connection was closed
            self._check()
            raise lost(first_line(error)) from error
        return tensor

    def sum_each(self, tensors: list[torch.Tensor]) -> None:
        """Do what ``sum`` does with several float32 tensors of one device, in one call."""
        if self.alone or not tensors:
            return
        total = self.sum(torch.cat([tensor.flatten() for tensor in tensors]))
        for tensor, values in zip(tensors, total.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(values.reshape(tensor.shape))

    def whole(self, own: torch.Tensor, items: int) -> torch.Tensor:
        """Return the tensors ``(N, …)`` of all N windows from those ``(n, …)`` that each process has."""
        if self.alone:
            return own
        total = own.new_zeros(items, *own.shape[1:], dtype=torch.float32)
        total[self.share(items)] = own.float()
        return self.sum(total).to(own.dtype)


ALONE = Ranks()
"""The one process of a job on one device."""


def lost(reason: str) -> EngineError:
    """Return the error of a job that one of its processes has left."""
    return EngineError(
        FailureCode.ENGINE_DIED,
        Message("A process of a job on several devices ended before it was done ({reason}).", reason=reason),
        "Make it again; if it ends again, use one device, or a smaller size. The log has the last words.",
    )


@contextlib.contextmanager
def joined(
    number: int, count: int, meeting: Path, device: torch.device, check: Callable[[], None]
) -> Iterator[Ranks]:
    """Meet the other processes and leave them at the end; they talk over loopback only.

    Args:
        number, count, check: see ``Ranks``.
        meeting: a file that is not there yet, in a folder of this user; its name is new for each job.
        device: of this process.
    """
    import torch.distributed as dist

    loopback = "lo0" if sys.platform == "darwin" else "lo"
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        if sys.platform != "win32":
            os.environ.setdefault(name, loopback)
    backend = "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl" if dist.is_nccl_available() else "gloo"
    dist.init_process_group(
        backend,
        init_method=meeting.absolute().as_uri(),
        rank=number,
        world_size=count,
        timeout=timedelta(seconds=NOBODY_S),
    )
    threads = torch.get_num_threads()
    if device.type == "cpu":  # they share the processor
        torch.set_num_threads(max(1, threads // count))
    try:
        yield Ranks(number, count, check)
    finally:
        torch.set_num_threads(threads)
        dist.destroy_process_group()
