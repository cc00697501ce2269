# SPDX-License-Identifier: CC0-1.0
"""Scene family: space."""

import math

import numpy as np

from training.generator.family_common import Shot, pick
from training.generator.night_sky import milky_way, nebula, stars
from training.generator.sky_fields import noise2, smoothstep
from training.generator.stage import DIRS, H, W
from training.generator.terrain import mixc

# ---------------------------------------------------------------------- space
HUES = {
    "crimson": (0.95, 0.10, 0.16),
    "rose": (0.95, 0.30, 0.45),
    "orange": (1.0, 0.42, 0.10),
    "gold": (1.0, 0.72, 0.25),
    "emerald": (0.10, 0.85, 0.40),
    "teal": (0.08, 0.70, 0.75),
    "azure": (0.12, 0.40, 1.0),
    "indigo": (0.22, 0.20, 0.95),
    "violet": (0.60, 0.16, 0.95),
    "magenta": (0.95, 0.15, 0.75),
}


def space(rng, threads):
    names = list(rng.permutation(list(HUES)))[: int(rng.integers(1, 4))]
    k = rng.uniform(0.25, 1.0)
    sparse = rng.uniform() < 0.25
    pano = nebula(
        DIRS, rng, [np.array(HUES[n]) * rng.uniform(0.5, 1.1) for n in names], rng.uniform(0.3, 0.85)
    ) * (0.25 if sparse else 0.5 + 0.6 * k)
    pano += np.array([0.002, 0.003, 0.006])
    mw = rng.uniform() < 0.3
    if mw:
        m, _ = milky_way(DIRS, rng, 0.25)
        pano = pano * 0.6 + m
    pano += stars(W, H, rng, int(rng.integers(1800, 5000)), rng.uniform(0.25, 0.5))
    facts = {
        "nebula": names,
        "galaxy": mw,
        "sparse": sparse,
        "ground": "no ground",
        "planet": None,
        "has_star": False,
    }
    ld = rng.normal(size=3) * [1, 1, 0.4]
    ld /= np.linalg.norm(ld)
    if rng.uniform() < 0.5:
        facts["planet"] = planet(rng, pano, ld)
    if rng.uniform() < 0.4:
        c = np.arccos(np.clip(DIRS @ ld.astype(np.float32), -1, 1))
        col = np.array([(1, 0.95, 0.88), (0.8, 0.88, 1.0), (1.0, 0.72, 0.4)][rng.integers(3)])
        r = math.radians(rng.uniform(0.8, 2.0))
        pano += (
            (np.clip((r - c) / 0.004 + 0.5, 0, 1) * 400 + np.exp(-c / 0.03) * 6 + np.exp(-c / 0.15) * 0.5)[
                ..., None
            ]
            * col
        ).astype(np.float32)
        facts["has_star"] = True
        facts["sun_az"], facts["sun_el"] = math.atan2(ld[1], ld[0]), math.asin(ld[2])
    return Shot(None, pano.astype(np.float32), facts, key=0.62, geometry=False)


def planet(rng, pano, light):
    kind = pick(rng, {"rocky": 1, "gas giant": 1.2, "ice": 0.7, "earth-like": 0.9, "ringed": 1})
    for _ in range(30):
        d = rng.normal(size=3) * [1, 1, 0.45]
        d /= np.linalg.norm(d)
        if -0.6 < d @ light < 0.75:
            break
    rad = math.radians(rng.uniform(7, 26))
    u = np.cross(d, [0.2, 0.1, 1.0])
    u /= np.linalg.norm(u)
    v = np.cross(d, u)
    x, y, zz = DIRS @ u.astype(np.float32), DIRS @ v.astype(np.float32), DIRS @ d.astype(np.float32)
    s = math.sin(rad)
    px, py = x / s, y / s
    rr = np.hypot(px, py)
    front = zz > 0
    disc = np.clip((1 - rr) / 0.012 + 0.5, 0, 1) * front
    nz = np.sqrt(np.maximum(0, 1 - rr**2))
    lx, ly, lz = light @ u, light @ v, -(light @ d)
    lam = np.clip(px * lx + py * ly + nz * lz, 0, 1)
    sd = int(rng.integers(1 << 20))
    tilt = rng.uniform(-0.6, 0.6)
    qy = py * math.cos(tilt) + px * math.sin(tilt)
    qx = px * math.cos(tilt) - py * math.sin(tilt)
    if kind in ("gas giant", "ringed"):
        b = noise2(qy * 5 + 0.25 * noise2(qx * 3 / (nz + 0.4), qy * 6, sd + 1, 4), qy * 0 + 3.3, sd, 5)
        c0, c1, c2 = [
            ((0.62, 0.42, 0.26), (0.82, 0.70, 0.52), (0.45, 0.24, 0.14)),
            ((0.25, 0.40, 0.62), (0.55, 0.70, 0.85), (0.14, 0.22, 0.45)),
            ((0.65, 0.55, 0.38), (0.85, 0.78, 0.6), (0.5, 0.38, 0.25)),
        ][rng.integers(3)]
        col = mixc(
            mixc(c0, c1, smoothstep(-0.3, 0.2, b)),
            c2,
            smoothstep(0.1, 0.45, noise2(qy * 9, qx * 0.3, sd + 4, 4)),
        )
    else:
        n = noise2(qx * 2.2 / (0.6 + 0.4 * nz), qy * 2.2 / (0.6 + 0.4 * nz), sd, 8, 0.55)
        if kind == "rocky":
            col = mixc((0.30, 0.20, 0.14), (0.50, 0.36, 0.26), smoothstep(-0.3, 0.3, n))
        elif kind == "ice":
            col = mixc((0.55, 0.68, 0.80), (0.85, 0.90, 0.95), smoothstep(-0.3, 0.3, n))
        else:
            col = mixc((0.02, 0.07, 0.22), (0.12, 0.20, 0.06), smoothstep(0.02, 0.08, n))
            col = mixc(
                col,
                (0.9, 0.9, 0.9),
                smoothstep(0.05, 0.35, noise2(qx * 3 + 9, qy * 4, sd + 6, 7, 0.55)) * 0.85,
            )
    sh = (lam * 1.5)[..., None] * col
    rim = np.exp(-((1 - rr) / 0.10)) * (lam * 1.2 + 0.03)
    atm = np.array([0.25, 0.5, 1.0]) if kind in ("earth-like", "ice") else np.array([0.5, 0.35, 0.25]) * 0.5
    sh = sh + rim[..., None] * atm * 0.7
    pano *= (1 - disc)[..., None]
    pano += (disc[..., None] * sh).astype(np.float32)
    if kind in ("earth-like", "ice"):
        halo = (
            np.exp(-np.maximum(rr - 1, 0) / 0.035)
            * (1 - disc)
            * front
            * np.clip(0.25 + 0.75 * (px * lx + py * ly), 0, 1)
        )
        pano += (halo[..., None] * atm * 0.5).astype(np.float32)
    if kind == "ringed":
        inc = rng.uniform(0.18, 0.4)
        a = tilt
        ex, ey = px * math.cos(a) - py * math.sin(a), (py * math.cos(a) + px * math.sin(a)) / inc
        er = np.hypot(ex, ey)
        band = (
            np.clip(0.55 + 0.9 * noise2(er * 14, er * 0, sd + 30, 4), 0, 1)
            * smoothstep(1.30, 1.38, er)
            * smoothstep(2.25, 2.1, er)
            * front
        )
        hide = (rr < 1) & (ey < 0)
        k = (band * 0.8 * ~hide)[..., None]
        lit = 0.25 + 0.75 * np.clip(0.6 + 0.4 * (lz + lx * np.sign(ex)), 0, 1)
        pano *= 1 - k
        pano += (k * np.array([0.62, 0.54, 0.42]) * lit[..., None]).astype(np.float32)
    return kind
