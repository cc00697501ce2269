# SPDX-License-Identifier: GPL-3.0-or-later
"""The process's own stdin and stdout, kept from the libraries that would read or print there."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO


def take_stdout() -> BinaryIO:
    """Keep the real stdout for events and send whatever libraries print to stderr."""
    events = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return events


def take_stdin() -> BinaryIO:
    """Keep the real stdin for requests: a library that asks something reads the end of a file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        requests = os.fdopen(os.dup(0), "rb")
    except OSError:  # it was closed already
        requests = open(os.devnull, "rb")  # noqa: SIM115  # the caller's
    os.dup2(nothing, 0)
    if nothing:
        os.close(nothing)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # what was buffered is not read again
    return requests
