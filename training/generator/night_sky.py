# SPDX-License-Identifier: CC0-1.0
"""Stars, the milky way, aurorae and nebulae, computed per direction, without Blender."""

import math

import numpy as np
from numba import njit

from training.generator.sky_fields import fetch, noise2, smoothstep, textures


def splat(img, x, y, rgb, sigma):
    """Add gaussian dots at float pixel positions, widened toward the poles."""
    h, w = img.shape[:2]
    for xi, yi, c, s in zip(x, y, rgb, sigma, strict=False):
        st = 1.0 / max(0.08, math.sin(math.pi * (yi + 0.5) / h))
        rx, ry = math.ceil(3 * s * st), math.ceil(3 * s)
        xs = np.arange(int(xi) - rx, int(xi) + rx + 1)
        ys = np.arange(max(0, int(yi) - ry), min(h, int(yi) + ry + 1))
        if rx * 2 + 1 >= w or ys.size == 0:
            continue
        g = np.exp(-0.5 * (((xs - xi) / (s * st)) ** 2)[None] - 0.5 * (((ys - yi) / s) ** 2)[:, None])
        img[np.ix_(ys, xs % w)] += g[..., None] * c


def stars(w, h, rng, count=2600, brightness=1.0, band=None):
    """Random stars with a power-law of magnitudes and black-body-like tints."""
    img = np.zeros((h, w, 3), np.float32)
    v = rng.normal(size=(count * 2, 3))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    if band is not None:  # denser along the galactic band
        keep = rng.uniform(size=len(v)) < 0.35 + 0.65 * np.exp(-(((v @ band) / 0.25) ** 2))
        v = v[keep]
    v = v[:count]
    mag = np.minimum(rng.pareto(1.1, len(v)) + 0.12, 45.0)
    t = rng.uniform(size=len(v))[:, None]
    tint = np.where(
        t < 0.5,
        np.array([[0.72, 0.83, 1.0]]),
        np.where(t < 0.8, np.array([[1.0, 0.97, 0.92]]), np.array([[1.0, 0.78, 0.55]])),
    )
    x = (0.5 - np.arctan2(v[:, 1], v[:, 0]) / (2 * math.pi)) * w - 0.5
    y = (0.5 - np.arcsin(np.clip(v[:, 2], -1, 1)) / math.pi) * h - 0.5
    sig = 0.40 + 0.07 * np.minimum(np.log1p(mag), 3.5)
    splat(img, x, y, (tint * mag[:, None] * brightness).astype(np.float32), sig)
    return img


@njit(cache=True, fastmath=True)
def _sphere_fbm(dirs, t, s, ox, oy, oz, octaves, gain, warp, ridged, out):
    for r in range(dirs.shape[0]):
        for q in range(dirs.shape[1]):
            x, y, z = dirs[r, q, 0] * s + ox, dirs[r, q, 1] * s + oy, dirs[r, q, 2] * s + oz
            if warp > 0:
                a = fetch(t, x * 0.8 + 0.3, y * 0.8, z * 0.8) - 0.5
                b = fetch(t, x * 0.8, y * 0.8 + 0.7, z * 0.8) - 0.5
                c = fetch(t, x * 0.8, y * 0.8, z * 0.8 + 0.1) - 0.5
                x += warp * a
                y += warp * b
                z += warp * c
            amp, tot, nrm = 1.0, 0.0, 0.0
            for _o in range(octaves):
                v = fetch(t, x, y, z)
                if ridged:
                    v = 1.0 - abs(2.0 * v - 1.0)
                tot += amp * v
                nrm += amp
                amp *= gain
                x, y, z = 2.03 * y + 0.31, 2.03 * z + 0.77, 2.03 * x + 0.13
            out[r, q] = tot / nrm


def sphere_fbm(dirs, rng, scale=0.5, octaves=4, gain=0.5, warp=0.3, ridged=False):
    out = np.empty(dirs.shape[:2], np.float32)
    o = rng.uniform(0, 1, 3)
    _sphere_fbm(dirs, textures()[2], scale, o[0], o[1], o[2], octaves, gain, warp, ridged, out)
    return out


def milky_way(dirs, rng, strength=1.0):
    axis = rng.normal(size=3) * np.array([0.8, 0.8, 1.1])
    axis /= np.linalg.norm(axis)
    d = dirs @ axis.astype(np.float32)
    n = sphere_fbm(dirs, rng, 0.6, 4, 0.6, 0.4)
    dust = sphere_fbm(dirs, rng, 0.5, 5, 0.62, 0.5, True)
    core = rng.normal(size=3)
    core -= axis * (core @ axis)
    core /= np.linalg.norm(core)
    bulge = np.clip(dirs @ core.astype(np.float32), 0, 1) ** 2
    width = 0.14 + 0.12 * bulge
    band = np.exp(-((d / width) ** 2)) * (0.35 + 0.9 * bulge) * (0.3 + 1.4 * n)
    lane = np.exp(-(((d + 0.05 * (n - 0.5)) / (0.4 * width)) ** 2)) * smoothstep(0.42, 0.72, dust)
    band = band * (1 - 0.85 * lane)
    warm = bulge[..., None]
    col = (1 - warm) * np.array([0.55, 0.68, 1.0]) + warm * np.array([1.0, 0.8, 0.62])
    return (band[..., None] * col * strength).astype(np.float32), axis


def aurora(dirs, rng, palette, strength=1.0):
    """Curtains: zero-contours of a warped noise, extruded upward in thin slices."""
    out = np.zeros(dirs.shape, np.float32)
    h = dirs.shape[0] // 2
    d = dirs[:h]
    sd = int(rng.integers(1 << 20))
    off = rng.uniform(-50, 50, 2)
    ang = rng.uniform(0, math.pi)
    ca, sa = math.cos(ang), math.sin(ang)
    low, high = np.array(palette[0]), np.array(palette[1])
    n_sl = 26
    scale = rng.uniform(0.55, 0.9)
    for i in range(n_sl):
        f = i / (n_sl - 1)
        t = (1.0 + 1.5 * f) / (d[..., 2] + 0.09)
        x = (d[..., 0] * ca + d[..., 1] * sa) * t * 0.42
        y = (-d[..., 0] * sa + d[..., 1] * ca) * t
        x, y = x * scale + off[0], y * scale + off[1]
        wx = noise2(x * 0.35, y * 0.35, sd, 2)
        n = noise2(x * 0.5 + 1.4 * wx, y * 0.5 - 1.4 * wx, sd + 3, 2)
        line = np.exp(-((np.abs(n) / 0.045) ** 1.2))
        rays = 0.55 + 0.9 * noise2(x * 5.0, y * 5.0, sd + 9, 2)
        patch = smoothstep(-0.25, 0.35, noise2(x * 0.21, y * 0.21, sd + 21, 2))
        fade = (1 - f) ** 1.3 * min(1.0, 0.35 + f * 9)
        k = line * np.clip(rays, 0, 2) * patch * fade
        c = low * (1 - f) ** 1.1 + high * f
        out[:h] += (k[..., None] * c).astype(np.float32)
    out[:h] *= smoothstep(0.0, 0.16, d[..., 2])[..., None]
    return out * (strength * 3.2 / n_sl)


def nebula(dirs, rng, colours, dust=0.6):
    """Layered emission clouds on the sphere with dark dust lanes."""
    out = np.zeros(dirs.shape, np.float32)
    for c in colours:
        n = sphere_fbm(dirs, rng, rng.uniform(0.09, 0.17), 6, 0.55, rng.uniform(0.12, 0.4))
        r = sphere_fbm(dirs, rng, rng.uniform(0.15, 0.3), 6, 0.6, 0.4, True)
        m = smoothstep(0.47, 0.80, n)
        v = m**1.5 * (0.35 + 1.5 * smoothstep(0.45, 0.9, r)) + 2.2 * m**5
        out += (v[..., None] * np.asarray(c)).astype(np.float32)
    lanes = sphere_fbm(dirs, rng, 0.35, 6, 0.6, 0.7, True)
    out *= (1 - dust * smoothstep(0.5, 0.8, lanes))[..., None]
    return out
