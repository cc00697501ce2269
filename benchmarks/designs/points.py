"""Latents on Fibonacci points of the sphere, gathered by index (SphereDiff, Park et al. 2025)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from sync_engine.canvas.blending import blend
from sync_engine.canvas.sphere import OVERLAP, _nearest_unused
from sync_engine.canvas.views import View, fibonacci_points, layout

SHARPNESS = 0.1
"""The fusion weight is exp(−‖place‖ / 0.1), as published."""


class PointsCanvas:
    """A state ``(P, C)`` of points; a view's cell takes the nearest point that the view has not used.

    A cell that finds no free point among the nearest takes the nearest one; a point that no view
    took is never denoised and never seen.
    """

    def __init__(self, window: int, fov: float = 80.0) -> None:
        self.window = window
        by_row = layout(fov, OVERLAP)
        self.views: list[View] = [view for row in by_row for view in row]
        ends = torch.tensor([len(row) for row in by_row]).cumsum(0).tolist()
        self.rows = [list(range(end - len(row), end)) for row, end in zip(by_row, ends, strict=True)]
        share = 4 * math.asin(math.sin(math.radians(fov) / 2) ** 2) / (4 * math.pi)
        self.points = fibonacci_points(round(window**2 / share))
        chosen = []
        for view in self.views:
            index = _nearest_unused(view, self.points, window)
            nearest = (view.rays(window) @ self.points.T).argmax(dim=1)
            chosen.append(torch.where(index < 0, nearest, index))
        self.index = torch.stack(chosen)
        steps = (torch.arange(window) + 0.5) / window * 2 - 1
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        self.weight = torch.exp(-(x * x + y * y).sqrt() / SHARPNESS).reshape(1, -1, 1)

    @property
    def window_size(self) -> tuple[int, int]:
        """Height and width of a view in cells."""
        return self.window, self.window

    @property
    def elevations(self) -> list[float]:
        """The elevation of each view's centre in degrees."""
        return [view.elevation for view in self.views]

    def noise(self, channels: int, generator: torch.Generator) -> torch.Tensor:
        """Draw standard normal latents ``(P, C)``."""
        return torch.randn(len(self.points), channels, generator=generator)

    def gather(self, state: torch.Tensor) -> torch.Tensor:
        """Return the views ``(V, C, w, w)``."""
        cells = state[self.index]
        return cells.transpose(1, 2).reshape(len(self.views), -1, self.window, self.window)

    def fuse(self, windows: torch.Tensor, coarse: bool = False) -> torch.Tensor:
        """Average what the views have at each point."""
        cells = windows.flatten(2).transpose(1, 2)
        index, channels = self.index.reshape(-1), cells.shape[-1]
        weight = self.weight.expand(len(cells), -1, 1).reshape(-1, 1)
        total = cells.new_zeros(len(self.points), channels + 1)
        total.index_add_(0, index, torch.cat([cells.reshape(-1, channels) * weight, weight], dim=1))
        return total[:, :channels] / total[:, channels:].clamp(min=1e-12)

    def thumbnail(self, x0: torch.Tensor) -> torch.Tensor:
        """Return one view: nobody looks at a preview here."""
        return self.gather(x0)[:1]

    def decode(
        self,
        decode: Callable[[torch.Tensor], torch.Tensor],
        x0: torch.Tensor,
        height: int,
        on_part: Callable[[int, int], None],
    ) -> torch.Tensor:
        """Decode the views and blend them into the picture ``(3, H, 2·H)`` in [0, 1]."""
        windows = self.gather(x0)
        pictures = ((view, decode(windows[i : i + 1])) for i, view in enumerate(self.views))
        with torch.no_grad():
            return blend(pictures, height).add_(1).div_(2).clamp_(0, 1)
