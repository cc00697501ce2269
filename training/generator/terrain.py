# SPDX-License-Identifier: CC0-1.0
"""Log-polar terrain and the scattering of things on it."""

import math

import bpy
import numpy as np

from training.generator.sky_fields import noise2, smoothstep
from training.generator.stage import TALLEST, instances, mesh_object


# ===================================================================== terrain
def polar_grid(n_az, n_r, r0, r1):
    """Log-polar grid around the viewer: uniform detail on screen. Returns x, y, faces."""
    r = r0 * (r1 / r0) ** (np.arange(n_r) / (n_r - 1))
    a = np.arange(n_az) * (2 * math.pi / n_az)
    x = np.concatenate([[0.0], (r[:, None] * np.cos(a)[None]).ravel()])
    y = np.concatenate([[0.0], (r[:, None] * np.sin(a)[None]).ravel()])
    i = (np.arange(n_r - 1)[:, None] * n_az + np.arange(n_az)[None]).ravel()
    j = (np.arange(n_r - 1)[:, None] * n_az + (np.arange(n_az)[None] + 1) % n_az).ravel()
    q = np.stack([i, i + n_az, j + n_az, j], -1) + 1
    k = np.arange(n_az)
    fan = np.stack([np.zeros(n_az, int), k + 1, (k + 1) % n_az + 1, (k + 1) % n_az + 1], -1)
    return x, y, q, fan[:, :3]


def grid_normals(x, y, z, n_az):
    """Slope-aware up component of the normal per grid vertex."""
    Z, X, Y = (v[1:].reshape(-1, n_az) for v in (z, x, y))
    P = np.stack([X, Y, Z], -1)
    dr = np.empty_like(P)
    dr[1:-1] = P[2:] - P[:-2]
    dr[0], dr[-1] = P[1] - P[0], P[-1] - P[-2]
    da = np.roll(P, -1, 1) - np.roll(P, 1, 1)
    n = np.cross(dr, da)
    n /= np.linalg.norm(n, axis=-1, keepdims=True) + 1e-12
    return np.concatenate([[[0, 0, 1.0]], n.reshape(-1, 3)])


def mixc(a, b, t):
    return np.asarray(a) * (1 - t[..., None]) + np.asarray(b) * t[..., None]


class Terrain:
    def __init__(self, height, r1=30000.0, r0=0.5, n_az=600, n_r=220):
        self.height = height
        self.x, self.y, self.q, self.fan = polar_grid(n_az, n_r, r0, r1)
        self.z0 = float(height(np.zeros(1), np.zeros(1))[0])
        self.z = height(self.x, self.y) - self.z0
        self.r = np.hypot(self.x, self.y)
        self.n = grid_normals(self.x, self.y, self.z, n_az)
        self.up = self.n[:, 2]

    def at(self, x, y):
        return self.height(np.asarray(x, float), np.asarray(y, float)) - self.z0

    def build(self, colour, mat, emit=None, lift=0.0):
        cz = bpy.context.scene.camera.location.z
        TALLEST[0] = max(TALLEST[0], float(np.arctan2(self.z - cz, np.maximum(self.r, 0.3)).max()))
        v = np.stack([self.x, self.y, self.z + lift], -1)
        tri = np.concatenate([self.fan, self.q[:, :3], self.q[:, [0, 2, 3]]])
        return mesh_object("terrain", v, tri, mat, colour, emit, smooth=True)

    def clearance(self, radius=6.0):
        """Highest ground near the viewer, to keep the camera out of it."""
        return float(self.z[self.r < radius].max())


def mottled(x, y, seed, a, b, scale, c=None, octaves=5):
    n = noise2(x / scale, y / scale, seed, octaves)
    col = mixc(a, b, smoothstep(-0.35, 0.35, n))
    if c is not None:
        m = noise2(x / scale * 3.1 + 9, y / scale * 3.1, seed + 5, 4)
        col = mixc(col, c, smoothstep(0.15, 0.5, m) * 0.7)
    return col


def scatter(rng, terrain, n, r0, r1, size, child, keep=None, sink=0.0, power=1.0):
    """Random positions between two radii, denser near the viewer for power > 1."""
    r = r0 + (r1 - r0) * rng.uniform(size=n) ** power
    a = rng.uniform(0, 2 * math.pi, n)
    x, y = r * np.cos(a), r * np.sin(a)
    z = terrain.at(x, y)
    ok = np.ones(n, bool) if keep is None else keep(x, y, z)
    x, y, z = x[ok], y[ok], z[ok]
    s = rng.uniform(size[0], size[1], len(x))
    instances(np.stack([x, y, z - sink * s], -1), s, rng.uniform(0, 2 * math.pi, len(x)), child)
    return len(x)
