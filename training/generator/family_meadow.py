# SPDX-License-Identifier: CC0-1.0
"""Scene family: meadow."""

import math

import numpy as np

from training.generator.family_common import GRASS, Shot, far_hills, make_sky, pick, start
from training.generator.materials import mat_colour
from training.generator.plants import broadleaf, conifer, grass_tuft, rock
from training.generator.sky_fields import noise2, smoothstep
from training.generator.terrain import Terrain, mixc, mottled, scatter

FLOWERS = {
    "yellow": (0.8, 0.6, 0.03),
    "red": (0.7, 0.04, 0.03),
    "purple": (0.35, 0.12, 0.6),
    "white": (0.85, 0.85, 0.8),
    "pink": (0.8, 0.3, 0.45),
    "blue": (0.12, 0.2, 0.75),
}


def meadow(rng, threads):
    sky = make_sky(rng)
    name = pick(rng, dict.fromkeys(GRASS, 1))
    g = GRASS[name]
    flower = (
        pick(rng, dict.fromkeys(FLOWERS, 1))
        if name in ("fresh green", "deep green") and rng.uniform() < 0.5
        else None
    )
    hills = rng.uniform() < 0.65
    roll = rng.uniform(0.5, 9)
    seed = int(rng.integers(1 << 20))
    amp = rng.uniform(120, 500)

    def height(x, y):
        r = np.hypot(x, y)
        h = roll * noise2(x / 180, y / 180, seed, 5, 0.45) * smoothstep(3, 60, r) + 0.12 * noise2(
            x / 3, y / 3, seed + 3, 5
        )
        return h + (far_hills(x, y, seed + 9, amp, 900, 5000, 3000) if hills else 0)

    cam = rng.uniform(1.6, 3.5)
    start(sky, rng, np.array(g[0]) * 1.2, cam, 10, threads)
    fog = sky.fog(rng.uniform(7000, 16000))
    t = Terrain(height)
    col = mottled(t.x, t.y, seed + 21, g[0], g[1], 16, g[2])
    col = col * (0.8 + 0.4 * noise2(t.x / 0.7, t.y / 0.7, seed + 2, 3)[:, None])
    path = rng.uniform() < 0.3
    if path:
        a = rng.uniform(0, math.pi)
        d = np.abs(
            (-t.x * math.sin(a) + t.y * math.cos(a)) + 6 * noise2(t.x / 40, t.y / 40, seed + 5, 2) - 1.5
        )
        col = mixc(
            col, (0.26, 0.19, 0.12), smoothstep(1.5, 0.7, d + 0.5 * noise2(t.x * 1.5, t.y * 1.5, seed, 3))
        )
    t.build(col, mat_colour("ground", fog, detail=(2.5, 0.9, 0.5)))
    m = mat_colour("plants", fog, vary=0.25)
    for k in range(2):
        tuft = grass_tuft(rng, m, g[k + 1], 30, 0.55, FLOWERS[flower] if flower and k else None)
        keep = None
        if path:

            def keep(x, y, z):
                return (
                    np.abs(
                        (-x * math.sin(a) + y * math.cos(a)) + 6 * noise2(x / 40, y / 40, seed + 5, 2) - 1.5
                    )
                    > 1.4
                )

        scatter(rng, t, 1100, 0.6, 24, (0.25, 0.6), tuft, keep, power=1.8)
    trees = 0
    if rng.uniform() < 0.55:
        leaf = {"autumn brown": (0.32, 0.13, 0.03), "dry golden": (0.12, 0.13, 0.04)}.get(
            name, (0.055, 0.10, 0.025)
        )
        tree = broadleaf(rng, m, leaf) if rng.uniform() < 0.7 else conifer(rng, m, (0.03, 0.065, 0.025))
        lim = rng.uniform(-0.1, 0.25)
        trees = scatter(
            rng,
            t,
            int(rng.integers(40, 400)),
            16,
            700,
            (6, 13),
            tree,
            lambda x, y, z: noise2(x / 120, y / 120, seed + 33, 3) > lim,
            power=1.3,
        )
    if rng.uniform() < 0.4:
        scatter(rng, t, 60, 5, 120, (0.3, 1.4), rock(rng, m, (0.25, 0.24, 0.22)), sink=0.15)
    return Shot(
        sky,
        facts={
            "ground": name + " grass",
            "grass": name,
            "hills": hills,
            "flower": flower,
            "trees": trees > 5,
            "path": path,
            "rolling": roll > 4,
            "camera_height": cam,
        },
    )
