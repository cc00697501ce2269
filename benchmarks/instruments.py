# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks measure with: peak memory, time inside the denoiser, FLOPs, the matmul peak."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import torch

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def seconds(device: torch.device) -> float:
    """Return a clock for differences: wall time with a GPU, else the processor time of this process.

    Other programs on the same cores stretch the wall time of one case and not of the next.
    """
    return time.perf_counter() if device.type == "cuda" else time.process_time()


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class PeakMemory:
    """The peak of a block in bytes: a GPU's allocator, else this process's resident memory, every 20 ms."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.bytes = device, 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self.device)
            return
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            with open("/proc/self/statm", encoding="ascii") as file:
                self.bytes = max(self.bytes, int(file.read().split()[1]) * PAGE_BYTES)
            if self._done.wait(0.02):
                return


class Stopwatch:
    """Adds up the seconds of several stretches; on a GPU between events, so that nothing waits for them."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._spans, self._seconds = device, [], 0.0

    def begin(self) -> None:
        """Begin a stretch."""
        self._start = self._mark()

    def end(self) -> None:
        """End the stretch."""
        if self._device.type == "cuda":
            self._spans.append((self._start, self._mark()))
        else:
            self._seconds += seconds(self._device) - self._start

    def total(self) -> float:
        """Return the seconds of all stretches."""
        synchronize(self._device)
        return self._seconds + sum(start.elapsed_time(end) for start, end in self._spans) / 1e3

    def _mark(self) -> Any:
        if self._device.type != "cuda":
            return seconds(self._device)
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


class DenoiserClock:
    """Adds up the seconds inside a network's forward passes, and how many samples went through.

    Passes with a gradient are counted too; their backward passes are not inside.
    """

    def __init__(self, network: Any, device: torch.device) -> None:
        self.samples = 0
        self._watch = Stopwatch(device)
        self._hooks = [
            network.register_forward_pre_hook(self._before, with_kwargs=True),
            network.register_forward_hook(self._after),
        ]

    def _before(self, network: Any, args: tuple, kwargs: dict) -> None:
        self.samples += len(args[0] if args else kwargs["sample"])
        self._watch.begin()

    def _after(self, *_: object) -> None:
        self._watch.end()

    def stop(self) -> float:
        """Take the hooks away and return the seconds."""
        for hook in self._hooks:
            hook.remove()
        return self._watch.total()


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Return the FLOP/s of a large square matrix product, the best of several.

    A GPU gets a tenth of a second of them: it raises its clocks only when it has work.
    """
    size, times = (8192, 100) if device.type == "cuda" else (1536, 8)
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(times):
        synchronize(device)
        start = seconds(device)
        torch.mm(a, b)
        synchronize(device)
        best = min(best, seconds(device) - start)
    return 2 * size**3 / best


def flops(function: Any) -> int:
    """Return the floating-point operations of a call, as torch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        function()
    return counter.get_total_flops()


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the peak signal-to-noise ratio of two latents in dB; the peak is the range of the second."""
    error = (a.float() - b.float()).square().mean()
    return float(10 * torch.log10((b.float().max() - b.float().min()) ** 2 / error))
