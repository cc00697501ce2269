# SPDX-License-Identifier: CC0-1.0
"""Directions, noise on the plane and tileable noise in space, in numpy and numba, without Blender."""

import math

import numpy as np
from numba import njit

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def luminance(rgb):
    return rgb[..., 0] * LUMA[0] + rgb[..., 1] * LUMA[1] + rgb[..., 2] * LUMA[2]


def smoothstep(a, b, x):
    t = np.clip((x - a) / (b - a), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def directions(w, h):
    """Unit directions of an equirectangular image: centre = +X, up = +Z."""
    az = -((np.arange(w) + 0.5) / w - 0.5) * 2.0 * math.pi
    el = (0.5 - (np.arange(h) + 0.5) / h) * math.pi
    ce = np.cos(el)[:, None]
    d = np.stack([ce * np.cos(az)[None], ce * np.sin(az)[None], np.repeat(np.sin(el)[:, None], w, 1)], -1)
    return d.astype(np.float32)


def sun_vector(az, el):
    return np.array([math.cos(el) * math.cos(az), math.cos(el) * math.sin(az), math.sin(el)])


# ----------------------------------------------------------------- 2-D noise
_A = np.arange(64) * (2 * math.pi / 64)
GX, GY = np.cos(_A), np.sin(_A)


@njit(cache=True, inline="always")
def hash2(ix, iy, seed):
    h = (ix * 374761393 + iy * 668265263 + seed * 362437) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return (h ^ (h >> 16)) & 0xFFFFFFFF


@njit(cache=True, fastmath=True)
def perlin(x, y, seed):
    fx, fy = math.floor(x), math.floor(y)
    ix, iy = int(fx), int(fy)
    x -= fx
    y -= fy
    u = x * x * x * (x * (x * 6 - 15) + 10)
    v = y * y * y * (y * (y * 6 - 15) + 10)
    a = hash2(ix, iy, seed) & 63
    b = hash2(ix + 1, iy, seed) & 63
    c = hash2(ix, iy + 1, seed) & 63
    d = hash2(ix + 1, iy + 1, seed) & 63
    n0 = GX[a] * x + GY[a] * y
    n1 = GX[b] * (x - 1) + GY[b] * y
    n2 = GX[c] * x + GY[c] * (y - 1)
    n3 = GX[d] * (x - 1) + GY[d] * (y - 1)
    return 1.5 * ((n0 + u * (n1 - n0)) + v * ((n2 + u * (n3 - n2)) - (n0 + u * (n1 - n0))))


@njit(cache=True, fastmath=True)
def _noise(x, y, out, seed, octaves, gain, kind):
    for i in range(x.size):
        px, py = x[i], y[i]
        amp, total, norm, w = 1.0, 0.0, 0.0, 1.0
        for o in range(octaves):
            n = perlin(px, py, seed + o * 131)
            if kind == 1:  # ridged multifractal
                n = 1.0 - abs(n)
                n = n * n
                t = n * w
                w = min(max(n * 1.6, 0.0), 1.0)
                n = t
            elif kind == 2:  # billow
                n = abs(n)
            total += amp * n
            norm += amp
            amp *= gain
            px, py = 1.616 * px - 1.212 * py + 17.3, 1.212 * px + 1.616 * py - 9.1
        out[i] = total / norm


def noise2(x, y, seed, octaves=6, gain=0.5, kind="fbm"):
    x = np.ascontiguousarray(x, np.float64)
    y = np.ascontiguousarray(y, np.float64)
    out = np.empty(x.size)
    _noise(x.ravel(), y.ravel(), out, int(seed), octaves, gain, {"fbm": 0, "ridged": 1, "billow": 2}[kind])
    return out.reshape(x.shape)


# ------------------------------------------------------ 3-D tileable textures
@njit(cache=True, inline="always")
def _hash3(x, y, z, seed):
    h = (x * 374761393 + y * 668265263 + z * 2147483647 + seed * 362437) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return (h ^ (h >> 16)) & 0xFFFFFFFF


@njit(cache=True, inline="always")
def _grad3(h, x, y, z):
    h &= 15
    u = x if h < 8 else y
    v = y if h < 4 else (x if (h == 12 or h == 14) else z)
    return (u if (h & 1) == 0 else -u) + (v if (h & 2) == 0 else -v)


@njit(cache=True, fastmath=True)
def _tile_noise(n, f0, octaves, seed, worley):
    out = np.zeros((n, n, n), np.float32)
    for i in range(n):
        for j in range(n):
            for k in range(n):
                amp, total, norm = 1.0, 0.0, 0.0
                f = f0
                for o in range(octaves):
                    x, y, z = i * f / n, j * f / n, k * f / n
                    ix, iy, iz = int(x), int(y), int(z)
                    fx, fy, fz = x - ix, y - iy, z - iz
                    if worley:
                        best = 9.0
                        for a in range(-1, 2):
                            for b in range(-1, 2):
                                for c in range(-1, 2):
                                    h = _hash3((ix + a) % f, (iy + b) % f, (iz + c) % f, seed + o)
                                    dx = a + (h & 255) / 255.0 - fx
                                    dy = b + ((h >> 8) & 255) / 255.0 - fy
                                    dz = c + ((h >> 16) & 255) / 255.0 - fz
                                    best = min(best, dx * dx + dy * dy + dz * dz)
                        v = 1.0 - min(1.0, math.sqrt(best))
                    else:
                        u = fx * fx * fx * (fx * (fx * 6 - 15) + 10)
                        w = fy * fy * fy * (fy * (fy * 6 - 15) + 10)
                        t = fz * fz * fz * (fz * (fz * 6 - 15) + 10)
                        v = 0.0
                        for a in range(2):
                            for b in range(2):
                                for c in range(2):
                                    h = _hash3((ix + a) % f, (iy + b) % f, (iz + c) % f, seed + o)
                                    wt = (u if a else 1 - u) * (w if b else 1 - w) * (t if c else 1 - t)
                                    v += wt * _grad3(h, fx - a, fy - b, fz - c)
                        v = 0.5 + 0.5 * v
                    total += amp * v
                    norm += amp
                    amp *= 0.5
                    f *= 2
                out[i, j, k] = total / norm
    return out


_TEX = {}


def textures():
    """Cloud base shape (Perlin-Worley), erosion detail (Worley), plain Perlin fbm."""
    if not _TEX:
        p = _tile_noise(96, 4, 4, 11, False)
        w = _tile_noise(96, 4, 3, 23, True)
        p = np.clip((p - 0.25) / 0.5, 0, 1)
        base = np.clip(p - 0.55 * (1 - w) + 0.25, 0, 1)
        base = (base - base.min()) / (base.max() - base.min())
        xs = np.sort(base.ravel()[::7])  # equalised: coverage is a fraction
        base = np.interp(base, xs[::200], np.linspace(0, 1, xs[::200].size)).astype(np.float32)
        det = _tile_noise(64, 4, 3, 41, True)
        det = ((det - det.min()) / (det.max() - det.min())).astype(np.float32)
        _TEX["base"], _TEX["detail"] = base, det
        _TEX["perlin"] = np.clip((p - 0.5) * 1.25 + 0.5, 0, 1).astype(np.float32)
    return _TEX["base"], _TEX["detail"], _TEX["perlin"]


@njit(cache=True, fastmath=True)
def fetch(t, x, y, z):
    n = t.shape[0]
    x *= n
    y *= n
    z *= n
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    ix, iy, iz = int(fx) % n, int(fy) % n, int(fz) % n
    x -= fx
    y -= fy
    z -= fz
    jx = ix + 1 if ix + 1 < n else 0
    jy = iy + 1 if iy + 1 < n else 0
    jz = iz + 1 if iz + 1 < n else 0
    a = t[ix, iy, iz] * (1 - z) + t[ix, iy, jz] * z
    b = t[ix, jy, iz] * (1 - z) + t[ix, jy, jz] * z
    c = t[jx, iy, iz] * (1 - z) + t[jx, iy, jz] * z
    d = t[jx, jy, iz] * (1 - z) + t[jx, jy, jz] * z
    return (a * (1 - y) + b * y) * (1 - x) + (c * (1 - y) + d * y) * x
