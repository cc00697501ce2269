# SPDX-License-Identifier: CC0-1.0
"""Scene family: lake."""

import math

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
from training.generator.family_forest import LEAVES
from training.generator.materials import mat_colour, mat_water
from training.generator.plants import broadleaf, conifer, grass_tuft, rock
from training.generator.sky_fields import noise2, smoothstep
from training.generator.stage import mesh_object
from training.generator.terrain import Terrain, mixc, polar_grid, scatter


def lake(rng, threads):
    sky = make_sky(rng, nights={"aurora": 1.5}, days={"sunset": 2.6, "dusk": 2})
    seed = int(rng.integers(1 << 20))
    big = rng.uniform(250, 900)
    ang = rng.uniform(0, 2 * math.pi)
    cx, cy = math.cos(ang) * big * 0.97, math.sin(ang) * big * 0.97
    amp, lam = rng.uniform(1400, 2900), rng.uniform(2600, 4600)
    rk = pick(rng, dict.fromkeys(ROCKS, 1))
    gname = pick(rng, dict.fromkeys(GRASS, 1))
    snowy = rng.uniform() < 0.65

    def height(x, y):
        r = np.hypot(x, y)
        d = np.hypot(x - cx, y - cy) / big + 0.22 * noise2(
            x / big / 0.8, y / big / 0.8, seed + 2, 4
        ) * smoothstep(20, 120, r)
        land = (
            1.3
            + 10 * smoothstep(1.0, 2.2, d)
            + 5 * noise2(x / 60, y / 60, seed + 3, 5) * smoothstep(1.0, 1.5, d)
            + 0.3 * noise2(x / 4, y / 4, seed + 7, 5)
        )
        bed = -8.0
        h = bed + (land - bed) * smoothstep(0.9, 1.0, d)
        return h + ranges(x, y, seed, amp, lam, 250, 3000) * smoothstep(1.0, 2.4, d)

    cam = rng.uniform(1.8, 3.5)
    start(sky, rng, (0.12, 0.13, 0.12), cam, 10, threads)
    fog = sky.fog(rng.uniform(9000, 22000))
    t = Terrain(height)
    wl = -t.z0
    top = np.percentile(t.z, 98)
    col, s = mountain_colour(
        t, t.z, t.up, seed + 30, ROCKS[rk], GRASS[gname], top * rng.uniform(0.25, 0.5) if snowy else 1e6, 1.0
    )
    shore = smoothstep(wl + 1.1, wl + 0.4, t.z)
    col = mixc(
        col,
        np.array([0.20, 0.18, 0.15])[None]
        * (0.6 + 0.8 * np.clip(0.5 + noise2(t.x * 1.5, t.y * 1.5, seed, 4), 0, 1))[:, None],
        shore,
    )
    t.build(col, mat_colour("ground", fog, detail=(2.0, 0.9, 0.6)))
    x, y, q, fan = polar_grid(90, 40, 1.0, 12000)
    v = np.stack([x, y, np.full_like(x, wl)], -1)
    calm = rng.uniform() < 0.65
    mesh_object(
        "lake",
        v,
        np.concatenate([fan, q[:, :3], q[:, [0, 2, 3]]]),
        mat_water("water", fog, 0.04 if calm else 0.25, 0.9, (0.008, 0.03, 0.035), 0.015 if calm else 0.05),
    )
    m = mat_colour("plants", fog, vary=0.2)
    trees = rng.uniform() < 0.75
    if trees:
        autumn = rng.uniform() < 0.3
        for k in range(2):
            tr = (
                broadleaf(rng, m, LEAVES["autumn orange"])
                if autumn and k
                else conifer(rng, m, (0.028, 0.06, 0.025))
            )
            scatter(
                rng,
                t,
                1800,
                14,
                big * 2.6,
                (8, 17),
                tr,
                lambda x, y, z: (z > wl + 1.0) & (z < 180) & (noise2(x / 130, y / 130, seed + 40, 3) > -0.1),
                power=1.1,
            )
    scatter(
        rng,
        t,
        700,
        0.8,
        18,
        (0.25, 0.5),
        grass_tuft(rng, m, GRASS[gname][1]),
        lambda x, y, z: z > wl + 0.5,
        power=1.5,
    )
    scatter(
        rng,
        t,
        160,
        2.5,
        70,
        (0.3, 1.5),
        rock(rng, m, ROCKS[rk][0]),
        lambda x, y, z: z < wl + 1.4,
        sink=0.25,
        power=1.3,
    )
    return Shot(
        sky,
        facts={
            "has_water": True,
            "water": "mirror-like lake" if calm else "rippled lake",
            "calm": calm,
            "has_snow": snowy,
            "snow": round(float(s[t.r > 800].mean()), 3),
            "rock": rk,
            "trees": trees,
            "ground": gname + " shore",
            "camera_height": cam,
        },
    )
