# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that run a job and die: forks of a server that has the packages and has never computed.

A fork of a process that torch has computed in fails now and then: its pool of threads is not the child's.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

PRELOADED = ["sync_engine.common.torchvision_schemas", "sync_engine.runtime.job", "diffusers", "transformers"]


def exit_code(work: Callable[..., object], *arguments: Any, patience_s: float = 120.0) -> int:
    """Run a function of a module in a child and return its exit code; negative for a signal.

    A child that is not over after ``patience_s`` is killed.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=work, args=arguments)
    child.start()
    child.join(patience_s)
    if child.is_alive():
        child.kill()
        child.join()
    assert child.exitcode is not None
    return child.exitcode
