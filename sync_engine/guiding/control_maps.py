# SPDX-License-Identifier: GPL-3.0-or-later
"""The maps of control guides: read, checked, and cut for every window of a canvas.

Distances of a scene become inverse depth, normalised with one near and one far for the whole picture: a
normalisation of each window's own would make neighbours disagree about what they share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import grid_sample, interpolate, pad

from sync_engine.canvas import Canvas
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.canvas.views import View
from sync_engine.guiding.masks import SHAPE_TOLERANCE, GuideError, places_of_windows, shares
from sync_engine.interface.guides import Control
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.wording import Message
from sync_engine.pictures.picture import UnreadablePicture
from sync_engine.pictures.read import read_distances, read_picture
from sync_engine.radiance.srgb import from_linear

BEYOND = 1e9
"""A distance from here on is "nothing there": Blender's depth pass says 1e10."""
NEAREST_SHARE = 0.99
"""The near of the normalisation: this share of what is there is farther away."""
OCTAVES, FAINTEST = 14.0, 0.2
"""Of logarithmic depth: so many doublings of near are told apart, the farthest as this grey; sky is black."""


@dataclass(frozen=True, eq=False)
class ControlMap:
    """A map of a whole picture.

    Attributes:
        guide: what it is a map for.
        pixels: ``(C, H, W)``: inverse distances (C = 1), or values in [0, 1].
        distances: whether the pixels are inverse distances, along the ray from the viewpoint.
        near, far: inverse distances that are white and black.
    """

    guide: Control
    pixels: torch.Tensor
    distances: bool = False
    near: float = 1.0
    far: float = 0.0

    def windows(self, canvas: Canvas, scale: int, logarithmic: bool = False) -> torch.Tensor:
        """Return what each window of a canvas sees, ``(V, 3, h·scale, w·scale)`` in [0, 1], float32.

        Args:
            canvas: of the windows. Those of a sphere are perspective views: what is along the ray becomes
                what is along the view, z = d · cos θ.
            scale: pixels a cell.
            logarithmic: whether depth is told in doublings of near, not as its inverse.
        """
        height, width = (side * scale for side in canvas.window_size)
        if isinstance(canvas, SphereCanvas):
            return torch.stack([self.of_view(view, height, logarithmic) for view in canvas.views])
        whole = self._reduced(getattr(canvas, "width", 0) * scale)
        found = []
        for places in places_of_windows(canvas, scale):
            seen = _looked_up(whole, places, wrap=getattr(canvas, "wrap", False))
            found.append(self._shown(seen, logarithmic).reshape(-1, height, width).expand(3, -1, -1))
        return torch.stack(found)

    def of_view(self, view: View, size: int, logarithmic: bool = False) -> torch.Tensor:
        """Return what a perspective view of the sphere sees, ``(3, size, size)`` in [0, 1], float32."""
        rays = view.rays(size)
        seen = _looked_up(self._reduced(round(size * 360 / view.fov)), shares(rays), wrap=True)
        if self.distances:
            seen = seen / (rays @ view.axes()[0]).float()
        return self._shown(seen, logarithmic).reshape(-1, size, size).expand(3, -1, -1)

    def _shown(self, seen: torch.Tensor, logarithmic: bool) -> torch.Tensor:
        """Return the values in [0, 1] that a ControlNet is told of what was sampled."""
        if self.guide.kind != "depth":
            return seen.clamp(0, 1)
        if not logarithmic:
            return ((seen - self.far) / (self.near - self.far)).clamp(0, 1)
        doublings = torch.log2(self.near / seen.clamp(min=1e-12)).clamp(0, OCTAVES)
        told = 1 - (1 - FAINTEST) * doublings / OCTAVES
        return torch.where(seen > self.near * 2.0**-OCTAVES / 2, told, 0.0)

    def _reduced(self, width: int) -> torch.Tensor:
        """Return the pixels no wider than is of use: a window takes one look a pixel."""
        if self.pixels.shape[2] <= 1.5 * width:
            return self.pixels
        return interpolate(self.pixels[None], scale_factor=width / self.pixels.shape[2], mode="area")[0]


def maps_of(spec: EnvironmentSpec) -> tuple[ControlMap, ...]:
    """Return the maps of a spec's control guides, read and checked.

    Raises:
        GuideError: a map has values that cannot be, or shows nothing.
        UnreadablePicture: a file is not there, cannot be read, or has another shape.
    """
    guides = enumerate(spec.guides)
    return tuple(_read(number, guide, spec) for number, guide in guides if isinstance(guide, Control))


def _read(number: int, guide: Control, spec: EnvironmentSpec) -> ControlMap:
    path, aspect = Path(guide.file), spec.width / spec.pixel_height
    name = f"guides[{number}]"

    def check_shape(width: int, height: int) -> None:
        if abs(width / height / aspect - 1) > SHAPE_TOLERANCE:
            raise UnreadablePicture(
                path,
                Message(
                    "is {width} × {height} pixels, another shape than the picture that it is a map of",
                    width=width,
                    height=height,
                ),
                Message("Make it {aspect:.4g} times as wide as high.", aspect=aspect),
            )

    distances = read_distances(path, check_shape) if guide.kind == "depth" else None
    if distances is not None:
        return of_distances(guide, torch.from_numpy(np.array(distances, dtype=np.float32)), name)
    read = read_picture(path, check_shape)
    pixels = from_linear(read.pixels.clip(0, 1)) if read.linear else read.pixels
    values = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float()
    if not bool(values.isfinite().all()):
        raise _no_numbers(name, path)
    values = values.clamp(0, 1)
    if guide.kind == "depth":
        values = values.mean(dim=0, keepdim=True)
    if float(values.max()) == 0:
        raise _empty(name, path)
    return ControlMap(guide, values)


def of_distances(guide: Control, distances: torch.Tensor, name: str) -> ControlMap:
    """Return the map of distances ``(H, W)`` along the ray; GuideError, with the guide's name, for bad."""
    path = Path(guide.file)
    if bool(distances.isnan().any()):
        raise _no_numbers(name, path)
    if float(distances.min()) < 0:
        raise GuideError(
            Message("{name}: the map {path} has distances below 0.", name=name, path=path),
            "Give distances from the viewpoint, 0 or infinity where nothing is.",
        )
    there = (distances > 0) & (distances < BEYOND)
    inverse = torch.where(there, 1 / distances.clamp(min=1e-6), 0.0)
    if not bool(there.any()):
        raise _empty(name, path)
    known = inverse[there].flatten()
    near = float(torch.quantile(known[:: max(1, math.ceil(len(known) / 2**20))], NEAREST_SHARE))
    far = 0.0 if bool((~there).any()) else float(known.min())
    if far >= 0.999 * near:
        far = 0.0  # everything is at one distance
    return ControlMap(guide, inverse[None].float(), True, near, far)


def _looked_up(pixels: torch.Tensor, places: torch.Tensor, wrap: bool) -> torch.Tensor:
    """Return pixels ``(C, H, W)`` at places ``(N, 2)``, bilinear: ``(C, N)``."""
    wide = pad(pixels[None], (1, 1, 0, 0), mode="circular" if wrap else "replicate")
    x = (places[:, 0] * pixels.shape[2] + 1) / wide.shape[3] * 2 - 1
    grid = torch.stack([x, places[:, 1] * 2 - 1], dim=1).float()[None, None]
    return grid_sample(wide, grid, padding_mode="border", align_corners=False)[0, :, 0]


def _no_numbers(name: str, path: Path) -> GuideError:
    return GuideError(
        Message("{name}: the map {path} has pixels that are no numbers.", name=name, path=path),
        "Capture it again.",
    )


def _empty(name: str, path: Path) -> GuideError:
    return GuideError(
        Message("{name}: the map {path} shows nothing: every pixel is 0.", name=name, path=path),
        "Capture it again from a place that sees the scene.",
    )
