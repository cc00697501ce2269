# SPDX-License-Identifier: GPL-3.0-or-later
"""Perspective views of an equirectangular panorama: which to cut, and how.

Convention: azimuths are counter-clockwise from +X seen from above, the centre column looks along +X,
column ``u = 0.5 - azimuth / 360`` (modulo 1) and row ``v = 0.5 - elevation / 180``; the centre of pixel
``i`` of ``N`` lies at ``(i + 0.5) / N``. Views are square, with roll 0.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

# |pitch| in degrees and the share of views: the share of a sphere's window rows, horizon favoured.
PITCH_BANDS = ((0.0, 15.0, 0.35), (15.0, 40.0, 0.27), (40.0, 65.0, 0.22), (65.0, 90.0, 0.16))
# The rows of views that a World is painted with (sync_engine.canvas.views.layout): pitch and share.
WORLD_ROWS = ((90.0, 0.07), (45.0, 0.27), (0.0, 0.4), (-45.0, 0.19), (-90.0, 0.07))
WORLD_SHARE, WORLD_FOV = 0.5, 90.0
TOWARD_SUN = 0.2
"""Share of the views that are turned to where the sun is, left or right of the middle."""


class View(NamedTuple):
    """A square perspective view; angles in degrees, ``flip`` mirrors the finished picture."""

    azimuth: float
    pitch: float
    fov: float
    flip: bool = False


class Window(NamedTuple):
    """A square part of a view's picture, in pixels of the whole view."""

    left: int
    top: int
    size: int


def draw_view(rng: np.random.Generator, sun_azimuth: float | None = None) -> View:
    """A random view: half of them as a World is painted with, the others of any pitch and field of view.

    Some are turned to ``sun_azimuth`` in degrees, where there is one: few views see the sun by chance.
    """
    if rng.uniform() < WORLD_SHARE:
        rows = np.array(WORLD_ROWS)
        pitch, fov = float(rows[rng.choice(len(rows), p=rows[:, 1]), 0]), WORLD_FOV
    else:
        low, high, _ = PITCH_BANDS[rng.choice(len(PITCH_BANDS), p=[share for _, _, share in PITCH_BANDS])]
        pitch = rng.uniform(low, high) * (1 if rng.uniform() < 0.5 else -1)
        fov = rng.uniform(78, 92) if rng.uniform() < 0.7 else rng.uniform(60, 100)
    azimuth = rng.uniform(-180, 180)
    if sun_azimuth is not None and rng.uniform() < TOWARD_SUN:
        azimuth = sun_azimuth + rng.uniform(-0.4, 0.4) * fov
    return View(azimuth, pitch, fov, bool(rng.uniform() < 0.5))


def direction(azimuth: float, elevation: float) -> np.ndarray:
    """Unit vector of a direction given in degrees, +X forward, +Z up."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])


def view_axes(view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The view's forward, right and up unit vectors."""
    azimuth = math.radians(view.azimuth)
    forward = direction(view.azimuth, view.pitch)
    right = np.array([math.sin(azimuth), -math.cos(azimuth), 0.0])
    return forward, right, np.cross(right, forward)


def sees(view: View, azimuth: float, elevation: float, margin: float = 0.95) -> bool:
    """Whether a direction falls inside the view's frame (``margin`` of its half width)."""
    forward, right, up = view_axes(view)
    d = direction(azimuth, elevation)
    depth = float(d @ forward)
    reach = margin * math.tan(math.radians(view.fov) / 2) * depth
    return depth > 0 and abs(float(d @ right)) < reach and abs(float(d @ up)) < reach


def view_grids(
    views: list[View], size: int, windows: list[Window] | None = None, device: torch.device | None = None
) -> torch.Tensor:
    """float32 [N, h, w, 2] of (u, v) in [0, 1): where the views' pixels lie in the panorama.

    Of each view only its window is made, where there are ``windows``; they are all of one size.
    """
    windows = windows or [Window(0, 0, size)] * len(views)
    axes = np.array([view_axes(view) for view in views])
    forward, right, up = torch.from_numpy(axes).float().to(device)[:, :, None, None].unbind(1)
    tangents = [math.tan(math.radians(view.fov) / 2) for view in views]
    sides = [-tangent if view.flip else tangent for view, tangent in zip(views, tangents, strict=True)]
    corners = [(window.left, window.top) for window in windows]
    left, top = torch.tensor(corners, dtype=torch.float32, device=device).T[:, :, None]
    steps = torch.arange(windows[0].size, dtype=torch.float32, device=device) + 0.5
    x = ((steps + left) / size * 2 - 1) * torch.tensor(sides, device=device)[:, None]
    y = (1 - (steps + top) / size * 2) * torch.tensor(tangents, device=device)[:, None]
    rays = forward + x[:, None, :, None] * right + y[:, :, None, None] * up
    azimuth = torch.atan2(rays[..., 1], rays[..., 0])
    elevation = torch.atan2(rays[..., 2], rays[..., :2].norm(dim=-1))
    return torch.stack([(0.5 - azimuth / math.tau) % 1, 0.5 - elevation / math.pi], dim=-1)


def cut_views(
    panorama: torch.Tensor, views: list[View], size: int, windows: list[Window] | None = None
) -> torch.Tensor:
    """Cut ``views`` [N, 3, h, w] out of a panorama [3, H, W], bilinear and circular in longitude."""
    grids = view_grids(views, size, windows, panorama.device)
    width = panorama.shape[-1]
    padded = torch.cat([panorama[..., -1:], panorama, panorama[..., :1]], dim=-1)
    u = (grids[..., 0] * width + 1) / (width + 2)
    grid = torch.stack([u, grids[..., 1]], dim=-1) * 2 - 1
    source = padded[None].expand(len(views), -1, -1, -1)
    return functional.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=False)
