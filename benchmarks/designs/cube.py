"""Six cube faces, the cube turned at random after every step (StochSync, Yeo et al. 2025)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from sync_engine.canvas.blending import blend
from sync_engine.canvas.sphere import _apply, _sampling_matrix
from sync_engine.canvas.views import View
from sync_engine.prediction import levels
from sync_engine.sampling import Conditioning, x0_predictor

KEPT = 3
"""So many of the last cubes are blended into the picture: the last one's edges would show."""


@dataclass(frozen=True)
class Face(View):
    """A view turned with its cube, rolled too."""

    turn: torch.Tensor

    def axes(self) -> torch.Tensor:
        """Return the turned unit vectors forward, right and up."""
        return View(self.azimuth, self.elevation, self.fov).axes() @ self.turn.T

    def region(self, height: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the whole picture: the face may lie anywhere."""
        return torch.arange(height), torch.arange(2 * height)


class CubeCanvas:
    """Faces ``(6, C, w, w)``; ``turn`` carries the clean faces onto a new cube."""

    def __init__(self, window: int, largest_tilt: float, generator: torch.Generator) -> None:
        self.window, self.largest_tilt, self.generator = window, largest_tilt, generator
        self.seen: list[tuple[list[Face], torch.Tensor]] = []
        self.faces = self._new_faces()

    def _new_faces(self) -> list[Face]:
        yaw, axis, tilt = torch.rand(3, generator=self.generator, dtype=torch.float64).tolist()
        turn = (
            _about_z(axis * 2 * math.pi)
            @ _about_x(math.radians(self.largest_tilt) * tilt)
            @ _about_z(yaw * 2 * math.pi)
        )
        looks = [(0, 0), (90, 0), (180, 0), (-90, 0), (0, 90), (0, -90)]
        return [Face(float(azimuth), float(elevation), 90.0, turn) for azimuth, elevation in looks]

    @property
    def elevations(self) -> list[float]:
        """The elevation of each face's centre in degrees."""
        return [math.degrees(math.asin(max(-1, min(1, float(f.axes()[0, 2]))))) for f in self.faces]

    def noise(self, channels: int, generator: torch.Generator) -> torch.Tensor:
        """Draw standard normal faces."""
        return torch.randn(6, channels, self.window, self.window, generator=generator)

    def turn(self, clean: torch.Tensor) -> torch.Tensor:
        """Keep the clean faces, turn the cube, and return what its faces see of them."""
        self.seen = [*self.seen, (self.faces, clean)][-KEPT:]
        old, self.faces = self.faces, self._new_faces()
        rays = torch.cat([face.rays(self.window) for face in self.faces])
        # a ray along an edge may miss all faces by rounding
        wider = [Face(f.azimuth, f.elevation, f.fov + 1e-6, f.turn) for f in old]
        return _apply(_sampling_matrix(list(wider), self.window, rays), clean, self.window, self.window)

    def decode(
        self,
        decode: Callable[[torch.Tensor], torch.Tensor],
        x0: torch.Tensor,
        height: int,
        on_part: Callable[[int, int], None],
    ) -> torch.Tensor:
        """Decode the last cubes and blend them into the picture ``(3, H, 2·H)`` in [0, 1]."""
        pictures = (
            (face, decode(clean[i : i + 1])) for faces, clean in self.seen for i, face in enumerate(faces)
        )
        with torch.no_grad():
            return blend(pictures, height).add_(1).div_(2).clamp_(0, 1)


def paint(
    canvas: CubeCanvas,
    scheduler: Any,
    channels: int,
    condition: Callable[[list[float]], Conditioning],
    denoiser: Any,
) -> torch.Tensor:
    """Return the clean faces after all steps; the cube turns after each and its faces get new noise."""
    steps = levels(scheduler)
    clean = canvas.noise(channels, canvas.generator)
    for level, timestep in zip(steps, scheduler.timesteps, strict=True):
        noise = canvas.noise(channels, canvas.generator)
        state = noise if level is steps[0] else level.alpha * clean + level.sigma * noise
        predict = x0_predictor(denoiser, timestep, level, condition(canvas.elevations))
        with torch.no_grad():
            clean = canvas.turn(predict(state, list(range(6))))
    return clean


def _about_x(angle: float) -> torch.Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=torch.float64)


def _about_z(angle: float) -> torch.Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)
