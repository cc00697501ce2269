# SPDX-License-Identifier: GPL-3.0-or-later
"""A canvas of perspective views around the sphere whose clean predictions are fused.

Each view keeps its own noisy latents and its own scheduler state; only the clean x0 is carried
from view to view (SyncTweedies, Kim et al. 2024, its case 2 for instance variable denoising).
The views' initial noise is taken from one field of points on the sphere, each cell the nearest
point that its view has not used yet (SphereDiff, Park et al. 2025, uses this to gather latents): so
overlapping views begin with mostly the same noise, every view's own noise stays independent, and
nothing noisy is ever interpolated.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from sync_engine.canvas import passes
from sync_engine.canvas.blending import blend
from sync_engine.canvas.smoothing import low_pass
from sync_engine.canvas.views import View, equirectangular_rays, feathered, fibonacci_points, layout
from sync_engine.common.ranks import ALONE, Ranks

OVERLAP = 0.4
THUMBNAIL_HEIGHT = 16
NEAREST = 12
POLE_ELEVATION = 89.0
"""Views that look straight up or down are in no row: they see one place, turned, and to look alike they would
have to show it as a rosette."""
DETAIL_CELLS = 4
"""What is smaller than so many cells of a view is its own detail when views agree on the rest only."""


def yaw_of_seed(seed: int) -> float:
    """Return the turn of a job's views in degrees, the same for every size.

    A view is sharpest in its middle. With views at the same places in every world the picture would end at
    a place of the same sharpness in each: turned by chance, it ends at a column like any other.
    """
    return random.Random(seed).uniform(0.0, 360.0)


class SphereCanvas:
    """Views ``(V, C, w, w)``; the state is the views' own latents.

    Args:
        window: side of a view in latent cells.
        fov: field of view of each view in degrees.
        turn: how far all views are turned around the vertical, in degrees, see ``yaw_of_seed``.
        only: which of the views there are; all, if left out.
        ranks: the processes that share the views; the state of each is its own views.
    """

    def __init__(
        self,
        window: int,
        fov: float = 90.0,
        turn: float = 0.0,
        only: Callable[[View], bool] = lambda view: True,
        ranks: Ranks = ALONE,
    ) -> None:
        self.window = window
        rows = [[view for view in row if only(view)] for row in layout(fov, OVERLAP)]
        by_row = [[replace(v, azimuth=v.azimuth + turn) for v in row] for row in rows if row]
        self._views = [view for row in by_row for view in row]
        ends = torch.tensor([len(row) for row in by_row]).cumsum(0).tolist()
        self.rows = [
            list(range(end - len(row), end))
            for row, end in zip(by_row, ends, strict=True)
            if abs(row[0].elevation) < POLE_ELEVATION
        ]
        self._ranks, self.numbers = ranks, ranks.share(len(self._views))
        self._exchange = _exchange_matrix(self.views, self.numbers, window)
        self._fused_last: torch.Tensor | None = None
        self._thumbnail: torch.Tensor | None = None
        self._points: list[torch.Tensor] = []

    @property
    def views(self) -> list[View]:
        """The view that each window is."""
        return self._views

    def heights(self, wanted: int, scale: int) -> list[int]:
        """Return the height after each pass: above the model's own pixels per degree each doubles it."""
        return passes.heights(passes.native_height(self.window, scale), wanted)

    @property
    def window_size(self) -> tuple[int, int]:
        """Height and width of a view in cells."""
        return self.window, self.window

    @property
    def elevations(self) -> list[float]:
        """The elevation of each view's centre in degrees."""
        return [view.elevation for view in self.views]

    def noise(self, channels: int, generator: torch.Generator) -> torch.Tensor:
        """Draw standard normal noise for all views, shared where they overlap."""
        share = 4 * math.asin(math.sin(math.radians(self.views[0].fov) / 2) ** 2) / (4 * math.pi)
        count = round(self.window**2 / share)
        if not self._points:  # stochastic solvers draw noise at every step
            points = fibonacci_points(count)
            own_views = [self.views[number] for number in self.numbers]
            self._points = [_nearest_unused(view, points, self.window) for view in own_views]
        values = torch.randn(count, channels, generator=generator)
        spare = torch.randn(len(self.views), self.window**2, channels, generator=generator)
        views = []
        for chosen, own in zip(self._points, spare[self.numbers], strict=True):
            free = chosen < 0
            noise = values[chosen.clamp(min=0)]
            noise[free] = own[free]
            views.append(noise.T.reshape(channels, self.window, self.window))
        return torch.stack(views)

    def gather(self, state: torch.Tensor) -> torch.Tensor:
        """Return the views: they are the state."""
        return state

    def fuse(self, windows: torch.Tensor, coarse: bool = False) -> torch.Tensor:
        """Give every cell the weighted mean of what all views see in its direction.

        With ``coarse`` the mean of what fills ``DETAIL_CELLS`` only: each view keeps its own detail.
        """
        home = _matrix_home(windows.device)
        if self._exchange.device != home:
            # CSR on CUDA: its product has one order of summation, so the same seed gives the same picture
            self._exchange = self._exchange.to(home)
            self._exchange = self._exchange.to_sparse_csr() if home.type == "cuda" else self._exchange
        everything = self._ranks.whole(windows, len(self.views))
        self._fused_last = None if self._ranks.alone else everything
        fused = _apply(self._exchange, everything, self.window, self.window)
        if not coarse:
            return fused
        return windows + low_pass(fused - windows, DETAIL_CELLS)

    def thumbnail(self, x0: torch.Tensor) -> torch.Tensor:
        """Return a small equirectangular canvas of latents ``(1, C, 16, 32)``, for previews.

        Among several processes it shows what was fused last: one of them asks, and the others do not wait.
        """
        x0 = x0 if self._fused_last is None else self._fused_last
        height, width = THUMBNAIL_HEIGHT, 2 * THUMBNAIL_HEIGHT
        if self._thumbnail is None:
            rays = equirectangular_rays(height, torch.arange(height), torch.arange(width))
            self._thumbnail = _sampling_matrix(self.views, self.window, rays)
        return _apply(self._thumbnail, x0.cpu(), height, width)[:1].to(x0.device)

    @torch.no_grad()
    def decode(
        self,
        decode: Callable[[torch.Tensor], torch.Tensor],
        x0: torch.Tensor,
        height: int,
        on_part: Callable[[int, int], None],
    ) -> torch.Tensor:
        """Decode each view and blend all into the picture ``(3, H, 2·H)`` in [0, 1]; on the CPU.

        Memory grows with the picture, not with the number of views.
        """

        def pictures() -> Iterator[tuple[View, torch.Tensor]]:
            for place, number in enumerate(self.numbers):
                yield self.views[number], decode(x0[place : place + 1])
                on_part(place + 1, len(self.numbers))

        return blend(pictures(), height, self._ranks).add_(1).div_(2).clamp_(0, 1)


def _exchange_matrix(views: list[View], numbers: list[int], window: int) -> torch.Tensor:
    """Return the sparse ``(n·w², V·w²)`` matrix that averages over all V views that see a cell of some n.

    A cell takes its own value as it is and its neighbours' bilinearly.
    """
    centres = _centres(views)
    blocks = [_sampling_rows(views, centres, window, views[number].rays(window)) for number in numbers]
    return _stack(blocks, len(views) * window**2)


def _sampling_matrix(views: list[View], window: int, rays: torch.Tensor) -> torch.Tensor:
    """Return the sparse matrix ``(N, V·w²)`` that samples the views along N rays; its rows sum to one."""
    return _stack([_sampling_rows(views, _centres(views), window, rays)], len(views) * window**2)


def _centres(views: list[View]) -> torch.Tensor:
    return torch.stack([view.axes()[0] for view in views])


def _sampling_rows(
    views: list[View], centres: torch.Tensor, window: int, rays: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (entries of each row, their columns, their values) of a matrix that samples along rays."""
    middle = torch.nn.functional.normalize(rays.mean(dim=0), dim=0)
    spread = math.degrees(math.acos(float((rays @ middle).min().clamp(-1, 1))))
    apart = min(180.0, spread + views[0].reach + 0.1)
    rows, columns, values = [], [], []
    for number in (centres @ middle >= math.cos(math.radians(apart))).nonzero()[:, 0].tolist():
        place, inside = views[number].project(rays)
        row, place = inside.nonzero()[:, 0], place[inside]
        weight = feathered(place)
        cell = ((place + 1) / 2 * window - 0.5).clamp(0, window - 1)
        low = cell.floor().clamp(max=max(0, window - 2))
        part = cell - low
        # a ray through a cell's centre must not leak into its neighbours by rounding
        part = torch.where((part - part.round()).abs() < 1e-6, part.round(), part)
        for dy in (0, 1):
            for dx in (0, 1):
                share = (part[:, 0] if dx else 1 - part[:, 0]) * (part[:, 1] if dy else 1 - part[:, 1])
                index = (low[:, 1] + dy) * window + low[:, 0] + dx
                keep = share > 0
                rows.append(row[keep])
                columns.append(number * window**2 + index[keep].long())
                values.append((weight * share)[keep])
    row, column, value = torch.cat(rows), torch.cat(columns), torch.cat(values)
    total = torch.zeros(len(rays), dtype=value.dtype).index_add_(0, row, value)
    order = (row * (len(views) * window**2) + column).argsort()
    counts = row.bincount(minlength=len(rays))
    return counts, column[order].int(), (value / total[row])[order].float()


def _stack(blocks: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]], width: int) -> torch.Tensor:
    """Return the sparse matrix of blocks of rows, one above the other."""
    counts = torch.cat([block[0] for block in blocks])
    rows = torch.arange(len(counts)).repeat_interleave(counts)
    indices = torch.stack([rows, torch.cat([block[1] for block in blocks]).long()])
    values = torch.cat([block[2] for block in blocks])
    size = (len(counts), width)
    return torch.sparse_coo_tensor(indices, values, size, is_coalesced=True, check_invariants=False)


def _apply(matrix: torch.Tensor, windows: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Multiply the cells of windows ``(V, C, w, w)`` by a matrix; return ``(N, C, height, width)``."""
    channels = windows.shape[1]
    cells = windows.permute(0, 2, 3, 1).reshape(-1, channels).float().to(matrix.device)
    mixed = torch.sparse.mm(matrix, cells).to(windows)
    return mixed.reshape(-1, height, width, channels).permute(0, 3, 1, 2).contiguous()


def _matrix_home(device: torch.device) -> torch.device:
    """Return where a sparse matrix for windows on a device can live: MPS has no sparse products."""
    return device if device.type == "cuda" else torch.device("cpu")


def _nearest_unused(view: View, points: torch.Tensor, window: int) -> torch.Tensor:
    """Return for each cell of a view the nearest point that no other cell took; -1 where none is near.

    In round r every cell without a point asks for its r-th nearest one. Of several that ask for the same,
    the one nearest to the view's centre gets it.
    """
    rays, forward = view.rays(window), view.axes()[0]
    near = (points @ forward > math.cos(math.radians(view.reach * (1 + 2 / window)))).nonzero()[:, 0]
    count = min(NEAREST, len(near))
    wishes = (rays.float() @ points[near].float().T).topk(count, dim=1).indices
    rank = (rays @ forward).argsort(descending=True, stable=True).argsort()
    chosen = torch.full((len(rays),), -1)
    free = torch.ones(len(near), dtype=torch.bool)
    for wish in wishes.T:
        asking = ((chosen < 0) & free[wish]).nonzero()[:, 0]
        best = torch.full((len(near),), len(rays)).scatter_reduce(0, wish[asking], rank[asking], "amin")
        winners = asking[best[wish[asking]] == rank[asking]]
        chosen[winners] = near[wish[winners]]
        free[wish[winners]] = False
    return chosen
