# SPDX-License-Identifier: CC0-1.0
"""Scene family: mountains."""

import numpy as np

from training.generator.family_common import (
    GRASS,
    ROCKS,
    Shot,
    make_sky,
    mountain_colour,
    pick,
    ranges,
    start,
)
from training.generator.materials import mat_colour
from training.generator.plants import conifer, grass_tuft, rock
from training.generator.sky_fields import noise2, smoothstep
from training.generator.terrain import Terrain, mixc, mottled, scatter


def mountains(rng, threads):
    sky = make_sky(rng, nights={"aurora": 0.5})
    peak = rng.uniform() < 0.3
    seed = int(rng.integers(1 << 20))
    amp, lam = rng.uniform(1700, 3300), rng.uniform(2600, 5200)
    rk = pick(rng, dict.fromkeys(ROCKS, 1))
    gname = pick(rng, dict.fromkeys(GRASS, 1))
    snow_amount = pick(rng, {0.0: 1, 1.0: 2.4})
    if peak:

        def height(x, y):
            r = np.hypot(x, y)
            cone = amp * 0.62 * np.exp(-r / 1100.0)
            return (
                cone
                + ranges(x, y, seed, amp * 0.8, lam, 60, 2500) * 0.9
                + 1.2 * noise2(x / 8, y / 8, seed + 5, 6, 0.5, "ridged") * smoothstep(1, 12, r)
            )

        base = 1.0
    else:

        def height(x, y):
            r = np.hypot(x, y)
            return (
                ranges(x, y, seed, amp, lam, 250, 2600)
                + 9 * noise2(x / 150, y / 150, seed + 5, 5) * smoothstep(4, 80, r)
                + 0.15 * noise2(x / 3, y / 3, seed + 7, 5)
            )

        base = rng.uniform(0.25, 0.6)
    cam = rng.uniform(2, 4) if not peak else rng.uniform(2.5, 5)
    start(sky, rng, (0.16, 0.15, 0.12), cam, 10, threads)
    fog = sky.fog(rng.uniform(9000, 26000))
    t = Terrain(height)
    top = np.percentile(t.z[t.r > 1500], 97)
    snow_z = -300 if peak and snow_amount else (top * base if snow_amount else 1e6)
    g = GRASS[gname]
    rel = t.z + (amp * 0.4 if peak else 0)
    col, s = mountain_colour(
        t,
        rel,
        t.up,
        seed + 30,
        ROCKS[rk],
        g,
        (top * 0.45 + amp * 0.4) if peak and snow_amount else snow_z,
        snow_amount,
    )
    if peak and snow_amount:
        near = smoothstep(0.6, 0.85, t.up + 0.3 * noise2(t.x / 5, t.y / 5, seed + 70, 5)) * smoothstep(
            700, 200, t.r
        )
        s = np.maximum(near, smoothstep(0.50, 0.68, t.up + 0.12 * noise2(t.x / 90, t.y / 90, seed + 71, 5)))
        col = mixc(
            mottled(t.x, t.y, seed + 72, ROCKS[rk][0], ROCKS[rk][1], 200, None, 6), (0.80, 0.83, 0.88), s
        )
    t.build(col, mat_colour("ground", fog, detail=(1.2, 0.9, 0.6)))
    m = mat_colour("plants", fog, vary=0.2)
    trees = False
    if not peak:
        if rng.uniform() < 0.6:
            tree = conifer(rng, m, (0.028, 0.06, 0.025))
            trees = (
                scatter(
                    rng,
                    t,
                    1300,
                    40,
                    1500,
                    (8, 15),
                    tree,
                    lambda x, y, z: (noise2(x / 260, y / 260, seed + 40, 4) > 0.08) & (z < 260),
                    power=1.4,
                )
                > 30
            )
        scatter(rng, t, 800, 0.8, 18, (0.2, 0.45), grass_tuft(rng, m, g[1]), power=1.7)
    for k in range(2):
        scatter(rng, t, 70, 2.5, 90, (0.3, 1.8), rock(rng, m, ROCKS[rk][k]), sink=0.2, power=1.4)
    vis = t.r > 1000
    return Shot(
        sky,
        facts={
            "peak": peak,
            "rock": rk,
            "ground": ("rocky summit" if peak else gname + " valley"),
            "snow": round(float(s[vis].mean()), 3),
            "has_snow": bool(s[vis].mean() > 0.05),
            "trees": trees,
            "camera_height": cam,
        },
    )
