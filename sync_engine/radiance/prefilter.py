# SPDX-License-Identifier: GPL-3.0-or-later
"""Image-based lighting for game engines: the irradiance map and the GGX-prefiltered levels of a panorama.

The levels are those of the split-sum approximation (Karis 2013, "Real Shading in Unreal Engine 4"): the
panorama as a surface of some roughness mirrors it when seen head-on, N = V = R. Each level has half the size
of the one before, and its roughness grows evenly from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch.nn.functional import grid_sample, interpolate, normalize

from sync_engine.canvas.views import MARGIN, continued, equirectangular_rays

IRRADIANCE_HEIGHT = 32
SAMPLES = 256
SOURCE_HEIGHT = 128
"""The irradiance integral and rough levels look at a picture reduced to this height by whole pixels."""
SMALLEST_HEIGHT = 8


def irradiance(radiance: torch.Tensor) -> torch.Tensor:
    """Return the irradiance map ``(3, 32, 64)``: light on a surface that faces each direction.

    Args:
        radiance: ``(3, H, 2·H)`` linear light. A white sky of 1 gives π.
    """
    small = _reduced(radiance, SOURCE_HEIGHT)
    height, width = small.shape[1:]
    rays = equirectangular_rays(height, torch.arange(height), torch.arange(width)).float()
    edges = torch.cos(torch.linspace(0, math.pi, height + 1))
    areas = ((edges[:-1] - edges[1:]) * 2 * math.pi / width).repeat_interleave(width)
    light = small.reshape(3, -1).float() * areas
    rows, columns = torch.arange(IRRADIANCE_HEIGHT), torch.arange(2 * IRRADIANCE_HEIGHT)
    normals = equirectangular_rays(IRRADIANCE_HEIGHT, rows, columns).float()
    parts = [light @ (rays @ part.T).clamp(min=0) for part in normals.split(256)]
    return torch.cat(parts, dim=1).reshape(3, IRRADIANCE_HEIGHT, 2 * IRRADIANCE_HEIGHT)


def levels(radiance: torch.Tensor) -> Iterator[tuple[float, torch.Tensor]]:
    """Yield (roughness, panorama ``(3, h, 2·h)``), the first the picture itself, each half the last's size.

    Args:
        radiance: ``(3, H, 2·H)`` linear light.
    """
    height = radiance.shape[1]
    count = max(2, int(math.log2(height / SMALLEST_HEIGHT)) + 1)
    yield 0.0, radiance
    for number in range(1, count):
        roughness = number / (count - 1)
        yield roughness, prefiltered(radiance, roughness, max(SMALLEST_HEIGHT, height >> number))


def prefiltered(radiance: torch.Tensor, roughness: float, height: int) -> torch.Tensor:
    """Return the panorama ``(3, height, 2·height)`` that a surface of a roughness mirrors.

    GGX half vectors are drawn by importance from a fixed low-discrepancy set, each mirrored direction
    weighted by N·L, as published; α is roughness².

    Args:
        radiance: ``(3, H, 2·H)`` linear light.
        roughness: above 0, at most 1.
        height: rows of the result.
    """
    source = continued(_reduced(radiance, max(height, min(SOURCE_HEIGHT, radiance.shape[1]))).float())
    normals = equirectangular_rays(height, torch.arange(height), torch.arange(2 * height)).float()
    helper = torch.where(
        normals[:, 2:].abs() < 0.9, torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0.0])
    )
    tangent = normalize(torch.linalg.cross(helper, normals), dim=1)
    bitangent = torch.linalg.cross(normals, tangent)
    total, weights = torch.zeros(3, len(normals)), 0.0
    for x, y, z in _half_vectors(roughness**2, SAMPLES):
        half = x * tangent + y * bitangent + z * normals
        light = 2 * z * half - normals  # N·H is z: the mirrored direction
        cosine = 2 * z * z - 1
        if cosine <= 0:
            continue
        total += cosine * _sample(source, light)
        weights += cosine
    return (total / weights).reshape(3, height, 2 * height)


def _half_vectors(alpha: float, count: int) -> list[tuple[float, float, float]]:
    """Return GGX half vectors around +Z, drawn in proportion to D·cosθ, by golden-ratio points."""
    found = []
    for number in range(count):
        share, turn = (number + 0.5) / count, (number * 0.6180339887498949) % 1.0 * 2 * math.pi
        cosine = math.sqrt((1 - share) / (1 + (alpha * alpha - 1) * share))
        sine = math.sqrt(max(0.0, 1 - cosine * cosine))
        found.append((sine * math.cos(turn), sine * math.sin(turn), cosine))
    return found


def _sample(source: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Return the light ``(3, N)`` of a ``continued`` picture along unit directions, bilinear."""
    total_h, total_w = source.shape[1:]
    height, width = total_h - 2 * MARGIN, total_w - 2 * MARGIN
    x, y, z = directions.unbind(dim=1)
    column = (0.5 - torch.atan2(y, x) / (2 * math.pi)) * width + MARGIN
    row = (0.5 - torch.asin(z.clamp(-1, 1)) / math.pi) * height + MARGIN
    place = torch.stack([column / total_w * 2 - 1, row / total_h * 2 - 1], dim=1)[None, None]
    return grid_sample(source[None], place, mode="bilinear", align_corners=False)[0, :, 0]


def _reduced(radiance: torch.Tensor, height: int) -> torch.Tensor:
    if radiance.shape[1] <= height:
        return radiance
    return interpolate(radiance[None].float(), (height, 2 * height), mode="area")[0]
