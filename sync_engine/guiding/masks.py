# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a region is: a cap or a mask picture as a field on the canvas, cut into its windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pad

from sync_engine.canvas import Canvas
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.canvas.views import View
from sync_engine.common.errors import EngineError
from sync_engine.interface.guides import Cap
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message
from sync_engine.pictures.picture import UnreadablePicture
from sync_engine.pictures.read import read_picture
from sync_engine.radiance.srgb import from_linear

PER_CELL = 4
"""A cell's mask is the mean of so many looks along each side."""
SHAPE_TOLERANCE = 0.02
"""A mask picture may be so much wider or narrower than what it is a mask of."""
MOST_WIDTH = 4096
"""A mask picture is reduced to this width: the cells of a window are no finer."""

Field = Callable[[torch.Tensor], torch.Tensor]
"""Places ``(N, 2)`` as shares of the canvas, x from the left and y from the top, to weights ``(N,)``."""


class GuideError(EngineError):
    """A guide cannot be used."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(FailureCode.BAD_SPEC, message, hint)


def cap_on_sphere(cap: Cap) -> Field:
    """Return the field of a cap on a world: its radius and feather are angles around its middle."""
    forward = View(*cap.middle, fov=90.0).axes()[0]

    def weight(places: torch.Tensor) -> torch.Tensor:
        angle = torch.rad2deg(torch.acos((directions(places) @ forward).clamp(-1, 1)))
        return _soft(angle, cap)

    return weight


def cap_on_plate(cap: Cap, aspect: float) -> Field:
    """Return the field of a round region on a plate that is ``aspect`` times as wide as high."""
    x, y = cap.middle

    def weight(places: torch.Tensor) -> torch.Tensor:
        return _soft(torch.hypot((places[:, 0] - x) * aspect, places[:, 1] - y), cap)

    return weight


def _soft(distance: torch.Tensor, cap: Cap) -> torch.Tensor:
    if cap.feather == 0:
        return (distance <= cap.radius).double()
    return ((cap.radius + cap.feather / 2 - distance) / cap.feather).clamp(0, 1)


def mask_picture(path: Path, aspect: float, wrap: bool) -> Field:
    """Return the field of a mask picture, white where the region is.

    Args:
        path: any picture file; its brightness counts.
        aspect: width over height that it must have.
        wrap: whether its left and right edges meet.

    Raises:
        GuideError: it is black, or white everywhere.
        UnreadablePicture: it cannot be read, or has another shape.
    """

    def check_shape(width: int, height: int) -> None:
        if abs(width / height / aspect - 1) > SHAPE_TOLERANCE:
            raise UnreadablePicture(
                path,
                Message(
                    "is {width} × {height} pixels, another shape than the picture that it is a mask of",
                    width=width,
                    height=height,
                ),
                Message("Make it {aspect:.4g} times as wide as high.", aspect=aspect),
            )

    read = read_picture(path, check_shape)
    pixels = from_linear(read.pixels.clip(0, 1)) if read.linear else read.pixels
    mask = torch.from_numpy(pixels).mean(dim=-1).double()
    if not bool(mask.isfinite().all()):
        raise GuideError(
            Message("The mask {path} has pixels that are no numbers.", path=path), "Save it again."
        )
    mask = mask.clamp(0, 1)
    if float(mask.max()) < 0.5:
        raise GuideError(
            Message("The mask {path} is black everywhere.", path=path), "Paint white where the region is."
        )
    if float(mask.min()) > 0.99:
        raise GuideError(
            Message("The mask {path} is white everywhere.", path=path),
            "Leave the region out, and give its prompt as the prompt.",
        )
    if mask.shape[1] > MOST_WIDTH:
        mask = interpolate(mask[None, None], scale_factor=MOST_WIDTH / mask.shape[1], mode="area")[0, 0]
    width = mask.shape[1]
    edges = pad(mask[None, None], (1, 1, 0, 0), mode="circular" if wrap else "replicate")

    def weight(places: torch.Tensor) -> torch.Tensor:
        x = (places[:, 0] * width + 1) / (width + 2) * 2 - 1
        grid = torch.stack([x, places[:, 1] * 2 - 1], dim=1)[None, None]
        return grid_sample(edges, grid, padding_mode="border", align_corners=False)[0, 0, 0]

    return weight


def window_masks(field: Field, canvas: Canvas) -> torch.Tensor:
    """Return a field in every window of a canvas, ``(V, h, w)`` cells, float32, antialiased."""
    height, width = canvas.window_size
    shape = (1, 1, height * PER_CELL, width * PER_CELL)
    looks = places_of_windows(canvas, PER_CELL)
    return torch.stack([avg_pool2d(field(places).reshape(shape), PER_CELL)[0, 0] for places in looks]).float()


def places_of_windows(canvas: Canvas, per_cell: int) -> Iterator[torch.Tensor]:
    """Yield for each window the places ``(N, 2)`` of ``per_cell``² looks at each of its cells, row by row."""
    if isinstance(canvas, SphereCanvas):
        yield from (shares(view.rays(canvas.window * per_cell)) for view in canvas.views)
        return
    assert isinstance(canvas, PlaneCanvas)
    height, width = canvas.window_size
    for top, left in canvas.corners:
        y = (torch.arange(height * per_cell, dtype=torch.float64) + 0.5) / per_cell + top
        x = (torch.arange(width * per_cell, dtype=torch.float64) + 0.5) / per_cell + left
        rows, columns = torch.meshgrid(y / canvas.height, x / canvas.width % 1, indexing="ij")
        yield torch.stack([columns.flatten(), rows.flatten()], dim=1)


def directions(places: torch.Tensor) -> torch.Tensor:
    """Return the unit directions ``(N, 3)`` of places on an equirectangular picture (``canvas.views``)."""
    azimuth, elevation = (0.5 - places[:, 0]) * 2 * math.pi, (0.5 - places[:, 1]) * math.pi
    flat = elevation.cos()
    return torch.stack([flat * azimuth.cos(), flat * azimuth.sin(), elevation.sin()], dim=1)


def shares(rays: torch.Tensor) -> torch.Tensor:
    """Return the places ``(N, 2)`` on an equirectangular picture of unit directions ``(N, 3)``."""
    x, y, z = rays.unbind(dim=1)
    across = (0.5 - torch.atan2(y, x) / (2 * math.pi)) % 1
    return torch.stack([across, 0.5 - torch.asin(z.clamp(-1, 1)) / math.pi], dim=1)
