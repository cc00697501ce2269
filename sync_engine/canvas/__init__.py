"""Canvases: where the latents of the whole picture live, how windows are taken and put together.

A canvas has four verbs, and the sampling loop knows no more than these:

* ``noise(channels, generator)`` draws the initial noisy state;
* ``gather(state)`` gives the windows ``(V, C, h, w)`` that the denoiser sees;
* ``fuse(windows)`` puts clean windows together into a state;
* ``rows`` groups the windows that lie at one elevation, each group with its anchor first.

The state is what the scheduler steps. Noisy latents are gathered by index and never interpolated.
"""

from __future__ import annotations

from typing import Protocol

import torch


class Canvas(Protocol):
    """What the sampling loop needs of a canvas."""

    rows: list[list[int]]

    def noise(self, channels: int, generator: torch.Generator) -> torch.Tensor:
        """Draw a standard normal state on the CPU, float32."""
        ...

    def gather(self, state: torch.Tensor) -> torch.Tensor:
        """Return the windows ``(V, C, h, w)`` of a state."""
        ...

    def fuse(self, windows: torch.Tensor) -> torch.Tensor:
        """Average the windows ``(V, C, h, w)`` into a state with weights that sum to one."""
        ...
