# SPDX-License-Identifier: CC0-1.0
"""Meshes of trees, palms, grass and rocks."""

import math

import numpy as np

from training.generator.sky_fields import noise2
from training.generator.stage import mesh_object


# ======================================================================= plants
def leaf_quads(rng, centres, size, colours, droop=0.0):
    n = len(centres)
    a = rng.normal(size=(n, 3))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b = np.cross(a, rng.normal(size=(n, 3)))
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    s = size * rng.uniform(0.6, 1.3, n)[:, None]
    v = np.stack([centres - a * s, centres + b * s * 0.6, centres + a * s, centres - b * s * 0.6], 1)
    v[:, 2, 2] -= droop * s[:, 0]
    return v.reshape(-1, 3), np.arange(4 * n).reshape(-1, 4), np.repeat(colours, 4, 0)


def tube(p0, p1, r0, r1, k=6):
    a = np.arange(k) * 2 * math.pi / k
    d = np.asarray(p1, float) - p0
    d /= np.linalg.norm(d)
    u = np.cross(d, [0.3, 0.9, 0.1])
    u /= np.linalg.norm(u)
    v = np.cross(d, u)
    ring = np.cos(a)[:, None] * u + np.sin(a)[:, None] * v
    i = np.arange(k)
    return np.concatenate([p0 + ring * r0, p1 + ring * r1]), np.stack(
        [i, (i + 1) % k, (i + 1) % k + k, i + k], -1
    )


def join(parts):
    vs, fs, cs, o = [], [], [], 0
    for v, f, c in parts:
        vs.append(v)
        fs.append(f + o)
        cs.append(np.broadcast_to(c, (len(v), 3)))
        o += len(v)
    return np.concatenate(vs), np.concatenate(fs), np.concatenate(cs)


def conifer(rng, mat, leaf, snow=0.0):
    """Unit-height spruce: drooping needle sprays along whorled branches."""
    parts = [(*tube(np.zeros(3), np.array([0, 0, 0.98]), 0.022, 0.003), np.array([0.07, 0.045, 0.03]))]
    c, col = [], []
    lay = int(rng.integers(17, 24))
    for i in range(lay):
        t = i / lay
        z = 0.08 + 0.9 * t
        rad = 0.24 * (1 - t) ** 0.85 * rng.uniform(0.85, 1.15) + 0.012
        for _b in range(int(7 + 5 * (1 - t))):
            a = rng.uniform(0, 2 * math.pi)
            for s in np.linspace(0.2, 1.0, 6):
                rr = rad * s * rng.uniform(0.9, 1.1)
                c.append([rr * math.cos(a), rr * math.sin(a), z - 0.25 * rr + 0.01 * rng.normal()])
                k = 0.45 + 0.75 * s * rng.uniform(0.7, 1.2)
                cc = np.array(leaf) * k
                if snow and rng.uniform() < snow:
                    cc = np.array([0.8, 0.84, 0.9]) * rng.uniform(0.8, 1)
                col.append(cc)
    parts.append(leaf_quads(rng, np.array(c), 0.026, np.array(col), 0.5))
    v, f, c = join(parts)
    return mesh_object("conifer", v, f, mat, c)


def broadleaf(rng, mat, leaf, spread=0.36):
    """Unit-height round tree: trunk, limbs and leaf clumps on several lobes."""
    bark = np.array([0.09, 0.065, 0.045])
    parts = [(*tube(np.zeros(3), np.array([0, 0, 0.45]), 0.03, 0.018), bark)]
    c, col = [], []
    for _i in range(int(rng.integers(6, 10))):
        a, e = rng.uniform(0, 2 * math.pi), rng.uniform(0, 1)
        p = np.array(
            [
                spread * 0.62 * math.cos(a) * (1 - 0.5 * e),
                spread * 0.62 * math.sin(a) * (1 - 0.5 * e),
                0.46 + 0.36 * e,
            ]
        )
        parts.append((*tube(np.array([0, 0, 0.3]), p, 0.014, 0.004, 4), bark))
        rad = rng.uniform(0.13, 0.21)
        d = rng.normal(size=(210, 3))
        d /= np.linalg.norm(d, axis=1, keepdims=True)
        rr = rad * rng.uniform(0.55, 1.0, 210) ** 0.5
        c.append(p + d * rr[:, None] * [1, 1, 0.8])
        k = (0.55 + 0.45 * d[:, 2] * 0.5 + 0.4 * (rr / rad)) * rng.uniform(0.75, 1.2, 210)
        col.append(np.array(leaf)[None] * k[:, None])
    parts.append(leaf_quads(rng, np.concatenate(c), 0.027, np.concatenate(col)))
    v, f, c = join(parts)
    return mesh_object("broadleaf", v, f, mat, c)


def palm(rng, mat):
    """Unit-height palm with a curved trunk and arching fronds."""
    lean = rng.uniform(0.05, 0.3)
    pts = [np.array([lean * t * t, 0, t]) for t in np.linspace(0, 1, 6)]
    parts = [
        (*tube(pts[i], pts[i + 1], 0.028 - 0.002 * i, 0.026 - 0.002 * i), np.array([0.17, 0.12, 0.08]))
        for i in range(5)
    ]
    top = pts[-1]
    vs, fs, cs, o = [], [], [], 0
    for _k in range(int(rng.integers(11, 16))):
        a, up, ln = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.75), rng.uniform(0.36, 0.5)
        d = np.array([math.cos(a), math.sin(a), 0])
        side = np.array([-math.sin(a), math.cos(a), 0])
        for s in np.linspace(0.08, 1, 16):
            p = top + d * ln * s + np.array([0, 0, ln * (up * s - 0.95 * s * s)])
            wd = 0.11 * math.sin(math.pi * min(1, 0.12 + 0.86 * s)) + 0.01
            for sg in (-1, 1):
                tip = p + sg * side * wd + d * 0.05 - np.array([0, 0, wd * 0.7])
                vs += [p, p + d * 0.028, tip + d * 0.006, tip]
                fs.append([o, o + 1, o + 2, o + 3])
                o += 4
                cs += [np.array([0.06, 0.14, 0.03]) * rng.uniform(0.6, 1.3)] * 4
    parts.append((np.array(vs), np.array(fs), np.array(cs)))
    v, f, c = join(parts)
    return mesh_object("palm", v, f, mat, c)


def grass_tuft(rng, mat, colour, blades=26, spread=0.5, flower=None):
    v, f, c, o = [], [], [], 0
    for _i in range(blades):
        p = np.array([*rng.uniform(-spread, spread, 2), -0.03])
        a, h = rng.uniform(0, 2 * math.pi), rng.uniform(0.4, 1.0)
        s = np.array([math.cos(a), math.sin(a), 0]) * 0.016
        b = np.array([*rng.normal(0, 0.22, 2), 1]) * h
        v += [p - s, p + s, p + b * 0.6 + s * 0.7, p + b]
        f.append([o, o + 1, o + 2, o + 3])
        k = rng.uniform(0.7, 1.25)
        base = np.array(colour) * k
        c += [base * 0.5, base * 0.5, base, base * 1.25]
        o += 4
        if flower is not None and rng.uniform() < 0.3:
            q = p + b
            w = 0.05
            v += [q + np.array(d) for d in ((-w, 0, 0), (0, -w, 0.01), (w, 0, 0), (0, w, 0.01))]
            f.append([o, o + 1, o + 2, o + 3])
            c += [np.array(flower)] * 4
            o += 4
    return mesh_object("tuft", np.array(v), np.array(f), mat, np.array(c))


def rock(rng, mat, colour, rough=0.35):
    n_a, n_e = 28, 18
    a = np.linspace(0, 2 * math.pi, n_a, endpoint=False)
    e = np.linspace(-math.pi / 2, math.pi / 2, n_e)
    d = np.stack(
        [np.cos(e)[:, None] * np.cos(a), np.cos(e)[:, None] * np.sin(a), np.sin(e)[:, None] + 0 * a], -1
    ).reshape(-1, 3)
    s = int(rng.integers(1 << 20))
    n = noise2(d[:, 0] * 1.3 + d[:, 2] * 1.1, d[:, 1] * 1.3 - d[:, 2] * 0.9, s, 5, 0.55)
    r = 0.5 * (1 + rough * 1.6 * n)
    v = d * r[:, None] * np.array([1, rng.uniform(0.7, 1), rng.uniform(0.5, 0.9)])
    i = (np.arange(n_e - 1)[:, None] * n_a + np.arange(n_a)).ravel()
    j = (np.arange(n_e - 1)[:, None] * n_a + (np.arange(n_a) + 1) % n_a).ravel()
    c = np.array(colour)[None] * (0.75 + 0.5 * np.clip(0.5 + n, 0, 1))[:, None]
    return mesh_object("rock", v, np.stack([i, j, j + n_a, i + n_a], -1), mat, c)
