# SPDX-License-Identifier: CC0-1.0
"""Scene family: canyon."""

import math

import bpy
import numpy as np

from training.generator.family_common import Shot, make_sky, pick, start
from training.generator.materials import mat_colour
from training.generator.plants import grass_tuft, rock
from training.generator.sky_fields import noise2, smoothstep
from training.generator.terrain import Terrain, mixc, mottled, scatter


# --------------------------------------------------------- canyon and volcanic
def canyon(rng, threads):
    sky = make_sky(rng, weather={"foggy": 0.3, "clear": 2.6})
    seed = int(rng.integers(1 << 20))
    tone = pick(rng, {"red": 1.3, "orange": 1.2, "ochre": 1, "pink": 0.6})
    c0, c1, c2 = {
        "red": ((0.30, 0.085, 0.04), (0.42, 0.15, 0.075), (0.50, 0.28, 0.17)),
        "orange": ((0.42, 0.17, 0.06), (0.52, 0.26, 0.11), (0.60, 0.40, 0.23)),
        "ochre": ((0.36, 0.22, 0.10), (0.48, 0.32, 0.16), (0.58, 0.45, 0.29)),
        "pink": ((0.40, 0.19, 0.14), (0.52, 0.29, 0.22), (0.62, 0.45, 0.37)),
    }[tone]
    tall = rng.uniform(60, 240)
    lam = rng.uniform(350, 1100)
    gorge = rng.uniform() < 0.45
    a = rng.uniform(0, math.pi)

    def height(x, y):
        r = np.hypot(x, y)
        n = noise2(x / lam, y / lam, seed, 7, 0.48)
        if gorge:
            d = np.abs(
                -x * math.sin(a)
                + y * math.cos(a)
                + 0.10 * lam * noise2(x / lam * 1.5, y / lam * 1.5, seed + 4, 4)
            ) / (lam * 0.22)
            m = np.clip(0.75 * (d - 0.25) + 0.55 * n, 0, 1.2)
        else:
            m = np.clip((n - 0.02) * 3.2, 0, 1.3) * smoothstep(20, 160, r)
        steps = 0.0
        for k, th in enumerate((0.12, 0.34, 0.52, 0.74, 0.95)):
            steps = steps + (0.32, 0.16, 0.22, 0.14, 0.16)[k] * smoothstep(
                th, th + 0.035, m + 0.02 * noise2(x / 16, y / 16, seed + 5 + k, 4)
            )
        return (
            tall * (steps + 0.10 * m)
            + 0.8 * noise2(x / 20, y / 20, seed + 9, 5)
            + 0.1 * noise2(x / 2, y / 2, seed + 12, 4)
        )

    start(sky, rng, np.array(c1) * 0.8, 2, 10, threads)
    t = Terrain(height, r1=20000, n_az=680, n_r=240)
    rim = False
    cam = max(1.8, t.clearance(4) + 1.7) + rng.uniform(0, 3)
    bpy.context.scene.camera.location = (0, 0, cam)
    fog = sky.fog(rng.uniform(7000, 16000))
    zz = t.z + 2.0 * noise2(t.x / 60, t.y / 60, seed + 20, 3)
    b = noise2(zz / (tall * 0.10), t.x / 4000, seed + 21, 5, 0.62)
    strata = mixc(c0, c1, smoothstep(-0.35, 0.25, b))
    strata = mixc(
        strata, c2, smoothstep(0.12, 0.4, noise2(zz / (tall * 0.16) + 30, t.y / 4000, seed + 22, 4))
    )
    strata *= (0.75 + 0.5 * np.clip(0.5 + noise2(t.x / 3, zz / 14, seed + 23, 4), 0, 1))[:, None]
    flat = smoothstep(0.75, 0.92, t.up)
    col = mixc(strata, mottled(t.x, t.y, seed + 25, np.array(c1) * 0.95, c2, 12), flat * 0.85)
    t.build(col, mat_colour("rock", fog, detail=(1.2, 0.8, 0.7)))
    m = mat_colour("plants", fog, vary=0.25)
    scrub = rng.uniform() < 0.6
    if scrub:
        scatter(
            rng,
            t,
            1200,
            2.5,
            260,
            (0.4, 1.1),
            grass_tuft(rng, m, (0.13, 0.14, 0.06), 70, 0.5),
            lambda x, y, z: (z < tall * 0.25) & (noise2(x / 30, y / 30, seed, 3) > -0.1),
            power=1.4,
        )
    for k in range(2):
        scatter(
            rng,
            t,
            160,
            3,
            160,
            (0.3, 3.0),
            rock(rng, m, np.array((c0, c1)[k]) * 0.9, 0.5),
            lambda x, y, z: z < tall * 0.2,
            sink=0.25,
            power=1.5,
        )
    return Shot(
        sky,
        facts={
            "rock": tone,
            "gorge": gorge,
            "mesas": not gorge,
            "scrub": scrub,
            "ground": tone + " rock",
            "rim": rim,
            "camera_height": cam,
        },
    )
