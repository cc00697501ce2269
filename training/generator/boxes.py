# SPDX-License-Identifier: CC0-1.0
"""Box geometry for buildings and rooms."""

import itertools
import math

import numpy as np

from training.generator.stage import TALLEST, mesh_object


# ----------------------------------------------------------------------- boxes
class Boxes:
    """Collects axis-aligned or turned boxes into one mesh with per-box colour."""

    def __init__(self):
        self.v, self.f, self.c, self.uv = [], [], [], []

    def add(self, centre, size, colour, turn=0.0, window=None):
        sx, sy, sz = np.asarray(size) / 2
        p = np.array([[x, y, z] for z in (-sz, sz) for x, y in ((-sx, -sy), (sx, -sy), (sx, sy), (-sx, sy))])
        c, s = math.cos(turn), math.sin(turn)
        p = np.stack([p[:, 0] * c - p[:, 1] * s, p[:, 0] * s + p[:, 1] * c, p[:, 2]], -1) + centre
        o = len(self.v) * 8
        self.v.append(p)
        self.f.append(
            np.array([[0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7], [4, 5, 6, 7], [3, 2, 1, 0]]) + o
        )
        self.c.append(np.broadcast_to(np.asarray(colour, float), (8, 3)))
        uv = np.zeros((6, 4, 2))
        if window is not None:
            ww, wh, off = window
            for k, ln in enumerate((sx, sy, sx, sy)):
                n = max(1, round(2 * ln / ww))
                m = max(1, round(2 * sz / wh))
                u0 = off + 40 * k
                uv[k] = [[u0, off], [u0 + n, off], [u0 + n, off + m], [u0, off + m]]
        self.uv.append(uv.reshape(-1, 2))

    def build(self, name, mat, uv=False):
        if not self.v:
            return None
        TALLEST[0] = 2.0
        return mesh_object(
            name,
            np.concatenate(self.v),
            np.concatenate(self.f),
            mat,
            np.concatenate(self.c),
            uv=np.concatenate(self.uv) if uv else None,
        )


def wall_with_holes(lo, hi, height, holes):
    """Rectangles covering a wall of given span minus window rectangles (u0,u1,v0,v1)."""
    us = sorted({lo, hi, *[h[0] for h in holes], *[h[1] for h in holes]})
    vs = sorted({0.0, height, *[h[2] for h in holes], *[h[3] for h in holes]})
    out = []
    for a, b in itertools.pairwise(us):
        for c, d in itertools.pairwise(vs):
            if not any(h[0] <= (a + b) / 2 <= h[1] and h[2] <= (c + d) / 2 <= h[3] for h in holes):
                out.append((a, b, c, d))
    return out
