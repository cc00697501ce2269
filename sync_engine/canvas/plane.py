"""A flat canvas of latents, open or wrapped in longitude, covered by overlapping windows."""

from __future__ import annotations

import math

import torch


def window_starts(length: int, window: int, stride: int, wrap: bool) -> list[int]:
    """Return where windows of ``window`` cells start on an axis of ``length`` cells.

    An open axis ends with a window that touches its end, whatever the stride. A wrapped axis
    is divided evenly, no two neighbours further apart than ``stride``.
    """
    if wrap:
        count = math.ceil(length / stride)
        return [round(i * length / count) for i in range(count)]
    if window >= length:
        return [0]
    starts = list(range(0, length - window, stride))
    return [*starts, length - window]


def feather(size: int) -> torch.Tensor:
    """Return ``size`` weights that fall linearly from the middle to both ends, all above zero."""
    position = torch.arange(size, dtype=torch.float32) + 0.5
    return torch.minimum(position, size - position) / (size / 2)


class PlaneCanvas:
    """Latents ``(1, C, H, W)`` under square windows; the state is the canvas itself.

    Args:
        height, width: size in latent cells.
        window: side of a window in cells; a smaller canvas makes the windows smaller.
        stride: largest distance of neighbouring windows in cells.
        wrap: whether the left edge continues at the right edge.
        uniform: weigh all cells of a window alike, as MultiDiffusion and SyncDiffusion do,
            instead of less towards the window's border.
    """

    def __init__(
        self, height: int, width: int, window: int, stride: int, wrap: bool = False, uniform: bool = False
    ) -> None:
        self.height, self.width, self.wrap = height, width, wrap
        self.window_height, self.window_width = min(window, height), min(window, width)
        rows = window_starts(height, self.window_height, min(stride, self.window_height), wrap=False)
        columns = window_starts(width, self.window_width, min(stride, self.window_width), wrap)
        self.corners = [(top, left) for top in rows for left in columns]
        middle = len(columns) // 2
        self.rows = [
            [r * len(columns) + middle, *(r * len(columns) + c for c in range(len(columns)) if c != middle)]
            for r in range(len(rows))
        ]
        if uniform:
            self.weight = torch.ones(self.window_height, self.window_width)
        else:
            self.weight = torch.outer(feather(self.window_height), feather(self.window_width))
        self._total = self._sum_up(self.weight.expand(len(self.corners), 1, -1, -1))

    def noise(self, channels: int, generator: torch.Generator) -> torch.Tensor:
        """Draw standard normal latents ``(1, C, H, W)``, float32, on the CPU."""
        return torch.randn(1, channels, self.height, self.width, generator=generator)

    def gather(self, state: torch.Tensor) -> torch.Tensor:
        """Return the windows ``(V, C, h, w)`` of the canvas ``(1, C, H, W)``."""
        if self.wrap:
            state = torch.cat([state, state[..., : self.window_width]], dim=-1)
        h, w = self.window_height, self.window_width
        return torch.cat([state[..., top : top + h, left : left + w] for top, left in self.corners])

    def fuse(self, windows: torch.Tensor) -> torch.Tensor:
        """Average the windows ``(V, C, h, w)`` into a canvas ``(1, C, H, W)``."""
        weight = self.weight.to(windows)
        return self._sum_up(windows * weight) / self._total.to(windows)

    def _sum_up(self, windows: torch.Tensor) -> torch.Tensor:
        h, w = self.window_height, self.window_width
        total = windows.new_zeros(1, windows.shape[1], self.height, self.width + (w if self.wrap else 0))
        for window, (top, left) in zip(windows, self.corners, strict=True):
            total[0, :, top : top + h, left : left + w] += window
        if self.wrap:
            total[..., :w] += total[..., self.width :]
            total = total[..., : self.width]
        return total
