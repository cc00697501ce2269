# SPDX-License-Identifier: CC0-1.0
"""Clouds: volumes marched through, and thin layers; computed per direction, without Blender."""

import math

import numpy as np
from numba import njit

from training.generator.sky_fields import fetch, hash2, noise2, textures


@njit(cache=True, fastmath=True)
def _density(base, det, perl, px, py, pz, hf, cov, s, wx, wy, erode, far, flat):
    wmap = fetch(perl, px * s * 0.17 + wx, py * s * 0.17 + wy, 0.37)
    c = cov + (wmap - 0.5) * 0.55
    if c <= 0.02:
        return 0.0
    prof = min(1.0, hf * 7.0) * (1.0 - hf) ** flat
    n = fetch(base, px * s + wx, py * s + wy, pz * s * 1.2)
    d = n * (0.35 + 0.65 * prof) - (1.0 - c) - (1.0 - prof) * 0.25
    if d <= 0.0:
        return 0.0
    d = d * 3.0
    if erode > 0.0 and d < 1.0:
        e = fetch(det, px * s * 3.7, py * s * 3.7, pz * s * 3.7)
        d -= (1.0 - e) * erode * (1.0 - d) * far
    return min(max(d, 0.0), 1.0)


@njit(cache=True, fastmath=True)
def _march(
    dirs,
    base,
    det,
    perl,
    rgb,
    trans,
    depth,
    row0,
    row1,
    cam_h,
    h0,
    h1,
    R,
    cov,
    s,
    wx,
    wy,
    sigma,
    erode,
    flat,
    sun,
    e_sun,
    amb_t,
    amb_b,
    gf,
    steps,
    tmax,
):
    w = dirs.shape[1]
    step_l = (h1 - h0) * 0.16
    for r in range(row0, row1):
        for q in range(w):
            dx, dy, dz = dirs[r, q, 0], dirs[r, q, 1], dirs[r, q, 2]
            oz = R + cam_h
            b = oz * dz
            disc0 = b * b - (oz * oz - (R + h0) ** 2)
            disc1 = b * b - (oz * oz - (R + h1) ** 2)
            if disc1 <= 0:
                continue
            if cam_h < h0:
                ta = -b + math.sqrt(disc0)
                tb = -b + math.sqrt(disc1)
            else:  # camera above the layer
                if b >= 0:
                    continue
                ta = -b - math.sqrt(disc1)
                tb = -b - math.sqrt(disc0) if disc0 > 0 else -b + math.sqrt(disc1)
            if ta > tmax or ta < 0:
                continue
            tb = min(tb, ta + (h1 - h0) * 14.0)
            ns = int(steps * min(2.2, 0.55 + 0.45 * (tb - ta) / (h1 - h0)))
            dt = (tb - ta) / ns
            hsh = hash2(q, r, 77) / 4294967295.0
            t = ta + dt * hsh
            T = 1.0
            cr = cg = cb = 0.0
            dsum = wsum = 0.0
            mu = dx * sun[0] + dy * sun[1] + dz * sun[2]
            g = gf
            ph1 = (1 - g * g) / (1 + g * g - 2 * g * mu) ** 1.5
            ph2 = (1 - 0.04) / (1 + 0.04 - 0.4 * mu * -1.0) ** 1.5
            ph = min(0.45 * ph1 + 0.55 * ph2, 5.0)
            far = 1.0 / (1.0 + (ta * s * 0.05) ** 2)
            for _i in range(ns):
                px, py, pz = dx * t, dy * t, oz + dz * t
                alt = math.sqrt(px * px + py * py + pz * pz) - R
                hf = (alt - h0) / (h1 - h0)
                if hf > 0.0 and hf < 1.0:
                    d = _density(base, det, perl, px, py, alt, hf, cov, s, wx, wy, erode, far, flat)
                    if d > 0.003:
                        od = 0.0
                        sl = step_l * 0.35
                        lt = sl * 0.6
                        for _k in range(4):
                            lx, ly, lz = px + sun[0] * lt, py + sun[1] * lt, alt + sun[2] * lt
                            lh = (lz - h0) / (h1 - h0)
                            if lh <= 0.0 or lh >= 1.0:
                                break
                            od += sl * _density(
                                base, det, perl, lx, ly, lz, lh, cov, s, wx, wy, 0.0, 0.0, flat
                            )
                            sl *= 1.9
                            lt += sl
                        od *= sigma
                        ms = (
                            math.exp(-od) * ph * 0.6
                            + math.exp(-od * 0.3) * 0.35 * (0.7 + 0.3 * ph)
                            + math.exp(-od * 0.07) * 0.16
                        )
                        powder = 1.0 - 0.6 * math.exp(-d * 5.0)
                        ms *= powder * 0.22
                        a = 0.3 + 0.7 * hf
                        ext = math.exp(-d * sigma * dt)
                        k2 = T * (1 - ext)
                        cr += k2 * (e_sun[0] * ms + amb_t[0] * a + amb_b[0] * (1 - a))
                        cg += k2 * (e_sun[1] * ms + amb_t[1] * a + amb_b[1] * (1 - a))
                        cb += k2 * (e_sun[2] * ms + amb_t[2] * a + amb_b[2] * (1 - a))
                        dsum += k2 * t
                        wsum += k2
                        T *= ext
                        if T < 0.01:
                            T = 0.0
                            break
                t += dt
            rgb[r, q, 0], rgb[r, q, 1], rgb[r, q, 2] = cr, cg, cb
            trans[r, q] = T
            depth[r, q] = dsum / wsum if wsum > 0 else ta


def clouds(
    dirs,
    sun,
    e_sun,
    amb_top,
    amb_bottom,
    cover,
    rng,
    cam_h=0.0,
    base_h=900.0,
    thick=700.0,
    scale=5500.0,
    density=1.0,
    erode=0.55,
    flat=0.8,
    g=0.72,
    steps=26,
    radius=4.0e5,
    tmax=60000.0,
):
    """Premultiplied cloud radiance, transmittance and distance for every direction."""
    base, det, perl = textures()
    h, w = dirs.shape[:2]
    rgb = np.zeros((h, w, 3), np.float32)
    trans = np.ones((h, w), np.float32)
    depth = np.zeros((h, w), np.float32)
    rows = (0, h // 2 + 1) if cam_h < base_h else (0, h)
    _march(
        dirs,
        base,
        det,
        perl,
        rgb,
        trans,
        depth,
        rows[0],
        rows[1],
        float(cam_h),
        base_h,
        base_h + thick,
        radius,
        float(cover),
        1.0 / scale,
        rng.uniform(),
        rng.uniform(),
        0.02 * density,
        erode,
        flat,
        np.asarray(sun, np.float64),
        np.asarray(e_sun, np.float64),
        np.asarray(amb_top, np.float64),
        np.asarray(amb_bottom, np.float64),
        g,
        steps,
        tmax,
    )
    return denoise(rgb), denoise(trans), depth


def denoise(a):
    """Small horizontal-wrapping binomial blur that hides the jitter of the march."""
    b = 0.5 * a + 0.25 * (np.roll(a, 1, 1) + np.roll(a, -1, 1))
    c = b.copy()
    c[1:-1] = 0.5 * b[1:-1] + 0.25 * (b[2:] + b[:-2])
    return c


def layer(dirs, rng, height=1.0, scale=1.0, octaves=7, gain=0.52, stretch=1.0, warp=0.6):
    """fbm in [0,1] on a plane above the viewer, shrinking toward the horizon."""
    z = np.maximum(dirs[..., 2], 0.0)
    t = height / (z + 0.06)
    a = rng.uniform(0, math.pi)
    x = (dirs[..., 0] * math.cos(a) + dirs[..., 1] * math.sin(a)) * t * scale
    y = (-dirs[..., 0] * math.sin(a) + dirs[..., 1] * math.cos(a)) * t * scale / stretch
    sd = int(rng.integers(1 << 20))
    wx = noise2(x * 0.7, y * 0.7, sd, 4)
    wy = noise2(x * 0.7 + 40, y * 0.7, sd + 7, 4)
    n = noise2(x + warp * wx, y + warp * wy, sd + 13, octaves, gain)
    return np.clip(0.5 + 0.85 * n, 0, 1).astype(np.float32)
