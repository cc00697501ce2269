# SPDX-License-Identifier: GPL-3.0-or-later
"""Canvases: where the latents of the whole picture live, how windows are taken and put together.

The state is what the scheduler steps. Noisy latents are gathered by index and never interpolated.
``plane`` keeps one flat sheet of latents under its windows, ``sphere`` one set of latents for each
view around the sphere; the sampling loop knows neither, only the verbs of ``Canvas``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from sync_engine.canvas.views import View


class Canvas(Protocol):
    """What a job needs of a canvas.

    Attributes:
        rows: the numbers of the windows at one elevation that a method may compare, for each elevation,
            the anchor first.
        numbers: of the windows that this process has: all of them, but for a job on several devices
            (``common/ranks.py``). Views, rows and elevations are those of all windows.
    """

    rows: list[list[int]]
    numbers: list[int]

    @property
    def views(self) -> Sequence[View]:
        """The perspective view that each window is; empty where windows are cut from a flat picture."""
        ...

    @property
    def window_size(self) -> tuple[int, int]:
        """Height and width of a window in latent cells."""
        ...

    @property
    def elevations(self) -> list[float]:
        """Where each window looks, degrees above the horizon."""
        ...

    def noise(self, channels: int, generator: torch.Generator) -> torch.Tensor:
        """Draw a standard normal state on the CPU, float32."""
        ...

    def gather(self, state: torch.Tensor) -> torch.Tensor:
        """Return this process's windows ``(V, C, h, w)`` of a state."""
        ...

    def fuse(self, windows: torch.Tensor, coarse: bool = False) -> torch.Tensor:
        """Average the windows ``(V, C, h, w)`` of all processes into a state with weights that sum to one.

        ``coarse``: where the state is the windows themselves, they may keep their own fine detail.
        """
        ...

    def heights(self, wanted: int, scale: int) -> list[int]:
        """Return the picture's height after each pass over it, the last ``wanted``.

        The first pass is this canvas's; the others add detail. ``scale`` is the pixels of a latent cell.
        """
        ...

    def thumbnail(self, x0: torch.Tensor) -> torch.Tensor:
        """Return small latents ``(1, C, h, w)`` of the whole picture, for previews."""
        ...

    def decode(
        self,
        decode: Callable[[torch.Tensor], torch.Tensor],
        x0: torch.Tensor,
        height: int,
        on_part: Callable[[int, int], None],
    ) -> torch.Tensor:
        """Decode a clean state into the picture ``(3, height, W)``, sRGB in [0, 1], on the CPU.

        ``on_part`` is called with (parts done, parts) and may raise to stop.
        """
        ...
