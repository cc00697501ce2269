# SPDX-License-Identifier: GPL-3.0-or-later
"""A flat canvas of latents, open or wrapped in longitude, covered by overlapping windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from sync_engine.canvas.layout import window_starts
from sync_engine.canvas.tiled_decode import decode_plane
from sync_engine.canvas.views import View
from sync_engine.common.ranks import ALONE, Ranks

THUMBNAIL_WIDTH = 32
PLATE_DEGREES = 60.0
"""How far apart in elevation two windows of a plate look that lie on top of each other."""


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
        starts: where windows start on an axis, from its length, window, stride and wrap.
        ranks: the processes that share the windows; each has the whole state.
    """

    def __init__(
        self,
        height: int,
        width: int,
        window: int,
        stride: int,
        wrap: bool = False,
        uniform: bool = False,
        starts: Callable[[int, int, int, bool], list[int]] = window_starts,
        ranks: Ranks = ALONE,
    ) -> None:
        self.height, self.width, self.stride, self.wrap = height, width, stride, wrap
        self.window_height, self.window_width = min(window, height), min(window, width)
        rows = starts(height, self.window_height, min(stride, self.window_height), False)
        columns = starts(width, self.window_width, min(stride, self.window_width), wrap)
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
        self._total = self._sum_up(self.weight.expand(len(self.corners), 1, -1, -1), self.corners)
        self._ranks, self.numbers = ranks, ranks.share(len(self.corners))
        self._own_corners = [self.corners[number] for number in self.numbers]

    def noise(self, channels: int, generator: torch.Generator) -> torch.Tensor:
        """Draw standard normal latents ``(1, C, H, W)``, float32, on the CPU."""
        return torch.randn(1, channels, self.height, self.width, generator=generator)

    def gather(self, state: torch.Tensor) -> torch.Tensor:
        """Return the windows ``(V, C, h, w)`` of the canvas ``(1, C, H, W)``."""
        if self.wrap:
            state = torch.cat([state, state[..., : self.window_width]], dim=-1)
        h, w = self.window_height, self.window_width
        return torch.cat([state[..., top : top + h, left : left + w] for top, left in self._own_corners])

    def fuse(self, windows: torch.Tensor, coarse: bool = False) -> torch.Tensor:
        """Average the windows ``(V, C, h, w)`` into a canvas ``(1, C, H, W)``, whatever ``coarse`` says.

        A cell of the canvas has one value only; windows have no detail of their own.
        """
        self.weight, self._total = self.weight.to(windows), self._total.to(windows)  # they stay there
        own = self._sum_up(windows * self.weight, self._own_corners)
        return self._ranks.sum(own) / self._total

    @property
    def window_size(self) -> tuple[int, int]:
        """Height and width of a window in cells."""
        return self.window_height, self.window_width

    @property
    def elevations(self) -> list[float]:
        """Where each window looks: its latitude on a wrapped canvas, about 60° a window on an open one.

        A canvas no higher than one window looks straight ahead: a model that was told in training where
        each view looks must be told here too.
        """
        degrees = 180 / self.height if self.wrap else PLATE_DEGREES / self.window_height
        middle = (self.height - self.window_height) / 2
        return [max(-90.0, min(90.0, (middle - top) * degrees)) for top, _ in self.corners]

    @property
    def views(self) -> Sequence[View]:
        """No views: windows are cut from a flat picture."""
        return ()

    def heights(self, wanted: int, scale: int) -> list[int]:
        """Return the one height: a plane is painted at its size."""
        return [wanted]

    def thumbnail(self, x0: torch.Tensor) -> torch.Tensor:
        """Return the canvas with at most 32 cells of width."""
        factor = min(1.0, THUMBNAIL_WIDTH / x0.shape[-1])
        return torch.nn.functional.interpolate(x0, scale_factor=factor, mode="area")

    def decode(
        self,
        decode: Callable[[torch.Tensor], torch.Tensor],
        x0: torch.Tensor,
        height: int,
        on_part: Callable[[int, int], None],
    ) -> torch.Tensor:
        """Decode the canvas in tiles into a picture ``(3, height, W)`` in [0, 1]."""
        return decode_plane(decode, x0, height // self.height, self.wrap, on_part, self._ranks)

    def _sum_up(self, windows: torch.Tensor, corners: list[tuple[int, int]]) -> torch.Tensor:
        h, w = self.window_height, self.window_width
        total = windows.new_zeros(1, windows.shape[1], self.height, self.width + (w if self.wrap else 0))
        for window, (top, left) in zip(windows, corners, strict=True):
            total[0, :, top : top + h, left : left + w] += window
        if self.wrap:
            total[..., :w] += total[..., self.width :]
            total = total[..., : self.width]
        return total
