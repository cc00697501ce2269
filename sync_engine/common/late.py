# SPDX-License-Identifier: GPL-3.0-or-later
"""torch, loaded when it is first used: what a family of models is known by is told in milliseconds.

``from sync_engine.common.late import torch`` in place of ``import torch``, in the files that
``catalog.families`` looks through; loading torch takes seconds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    import torch
else:

    class _Torch:
        def __getattr__(self, name: str) -> Any:
            import torch as loaded

            return getattr(loaded, name)

    torch = _Torch()

__all__ = ["no_grad", "torch"]
_P = ParamSpec("_P")
_R = TypeVar("_R")


def no_grad(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a function to run without gradients, as ``torch.no_grad()`` does."""

    @functools.wraps(function)
    def without(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with torch.no_grad():
            return function(*args, **kwargs)

    return without
