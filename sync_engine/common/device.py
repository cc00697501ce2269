# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine computes and in which precision; memory for the window batch."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

from sync_engine.common.errors import EngineError
from sync_engine.common.late import torch
from sync_engine.interface.memory import free_bytes
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message

PROCESSOR = "/proc/cpuinfo"
CONTROL_GROUP = "/sys/fs/cgroup"
"""Where Linux tells a container of its limits."""
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Names in torch."""


def choose_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``; EngineError if absent."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name.startswith("cuda"):
        number = int(name.partition(":")[2] or 0)
        if number >= torch.cuda.device_count():
            found = torch.cuda.device_count()
            raise EngineError(
                FailureCode.BAD_SPEC,
                Message(
                    "device = {name}: this Python's torch sees {found} CUDA device(s).",
                    name=repr(name),
                    found=found,
                ),
                "Use auto or cpu, or install a CUDA build of torch for the engine.",
            )
        return torch.device("cuda", number)
    if name == "mps" and not torch.backends.mps.is_available():
        raise EngineError(FailureCode.BAD_SPEC, "device = 'mps' is not there.", "Use auto or cpu.")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the precision of the network; ``auto`` takes the fastest that is safe on the device."""
    if name != "auto":
        if name == "fp16" and device.type == "cpu":
            raise EngineError(
                FailureCode.BAD_SPEC, "precision = 'fp16' does not run on the CPU.", "Use auto, bf16 or fp32."
            )
        return getattr(torch, DTYPES[name])
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if cpu_has_fast_bf16() else torch.float32


def cpu_has_fast_bf16() -> bool:
    """Whether this processor multiplies bfloat16 matrices faster than float32 ones.

    AMX does, and AMD's AVX-512 BF16. Intel's alone (a server processor whose AMX the hypervisor hides) does
    not: products take 1.5 to 1.7 times as long as in float32 (``docs/experiments/2026-11-27-benchmarks.md``).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        with open(PROCESSOR, encoding="utf-8") as file:
            about = file.read()
    except OSError:
        return False
    flags = next((line for line in about.splitlines() if line.startswith("flags")), "").split()
    return "amx_bf16" in flags or ("avx512_bf16" in flags and "AuthenticAMD" in about)


def device_name(device: torch.device) -> str:
    """Return the name of a device for people."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads" if device.type == "cpu" else "Apple GPU"


def free_memory_gb(device: torch.device) -> float:
    """Return the free memory of a device in GiB (for a CPU: what the system says is available)."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device)
        own = kept - torch.cuda.memory_allocated(device)  # what the allocator has and nobody uses
        capped = torch.cuda.get_per_process_memory_fraction(device) * total - kept
        return (min(free, max(0.0, capped)) + own) / 2**30
    free = free_bytes()
    return min(4.0 if free is None else free / 2**30, _container_gb())


def _container_gb() -> float:
    """Return what the limit of a container leaves in GiB; infinite without one."""
    limits = []
    for name in ("memory.max", "memory.current"):
        try:
            with open(f"{CONTROL_GROUP}/{name}", encoding="ascii") as file:
                limits.append(int(file.read()))
        except (OSError, ValueError):  # no such group, or "max"
            return float("inf")
    return max(0, limits[0] - limits[1]) / 2**30


def working_memory_gb(window: int) -> float:
    """Return about how many GiB a network needs beside its weights for one window of ``window``² cells."""
    return 1.2 * (window / 64) ** 2


def window_batch(device: torch.device, window: int, per_window_gb: float = 0.0) -> int:
    """Return how many windows of ``window``² cells to begin with; halved later when that is too many.

    ``per_window_gb`` is what one takes beside the weights, where it was counted; 0: an estimate by its size.
    """
    per_window_gb = per_window_gb or working_memory_gb(window)
    if device.type == "cuda":
        most = 32
    elif window <= 32:
        most = 16
    else:
        most = 2 if device.type == "cpu" else 4  # on a CPU more is slower
    return max(1, min(most, int(free_memory_gb(device) * 0.6 / per_window_gb)))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python means that memory ran out."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text


def give_memory_back() -> None:
    """Return what torch and the C library keep for later to the system; call it when tensors are gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def peak_memory_gb(device: torch.device) -> float:
    """Return the peak memory of this process on a device, in GiB (0 where the system does not say)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
