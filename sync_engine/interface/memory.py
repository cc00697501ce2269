# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory is free, asked before a large picture is read; standard library only."""

from __future__ import annotations

import ctypes
import os
import sys

MEMINFO = "/proc/meminfo"
PIXEL_BYTES = 40
"""What reading a picture takes a pixel: its floats as the file has them, as RGB, and a copy of either."""


def free_bytes() -> int | None:
    """Return the bytes that a process can still have without swapping; None where nothing tells.

    Linux: MemAvailable. Windows: the free physical memory. Elsewhere half of the physical memory.
    """
    if sys.platform == "win32":
        return _windows()
    try:
        with open(MEMINFO, encoding="utf-8") as file:
            available = next(line for line in file if line.startswith("MemAvailable"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration):
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        except (ValueError, OSError):
            return None


def lacking(needed: int) -> tuple[float, float] | None:
    """Return (GiB needed, GiB free) where so many bytes are more than there are; None where they fit."""
    free = free_bytes()
    return None if free is None or needed <= free else (needed / 2**30, free / 2**30)


def _windows() -> int | None:
    class Status(ctypes.Structure):  # MEMORYSTATUSEX
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "page", "page_free")),
            *((name, ctypes.c_ulonglong) for name in ("virtual", "virtual_free", "extended")),
        ]

    status = Status(length=ctypes.sizeof(Status))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  # only Windows has it
    return int(status.free) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None
