# SPDX-License-Identifier: CC0-1.0
"""Scene family: arctic."""

import numpy as np

from training.generator.family_common import Shot, make_sky, ranges, start
from training.generator.materials import mat_colour
from training.generator.plants import conifer, rock
from training.generator.sky_fields import noise2, smoothstep
from training.generator.terrain import Terrain, mixc, scatter


# --------------------------------------------------------------------- arctic
def arctic(rng, threads):
    sky = make_sky(rng, days={"night": 2.4, "sunset": 2.5, "dusk": 2.2}, nights={"aurora": 3.5})
    seed = int(rng.integers(1 << 20))
    hills = rng.uniform() < 0.75
    ice = rng.uniform() < 0.35
    forest_ = rng.uniform() < 0.35 and not ice
    amp = rng.uniform(600, 2000)

    def height(x, y):
        r = np.hypot(x, y)
        if ice:
            h = 0.02 * noise2(x / 2, y / 2, seed, 4)
        else:
            h = rng_roll * noise2(x / 120, y / 120, seed, 5, 0.42) * smoothstep(3, 50, r) + 0.10 * noise2(
                x / 3.5, y / 1.1, seed + 3, 5, 0.5, "ridged"
            )
        return h + (ranges(x, y, seed + 9, amp, 3500, 500, 3600) if hills else 0)

    rng_roll = rng.uniform(0.8, 8)
    cam = rng.uniform(1.7, 4)
    start(sky, rng, (0.6, 0.63, 0.68), cam, 10, threads)
    fog = sky.fog(rng.uniform(7000, 18000))
    t = Terrain(height)
    snow = mixc(
        (0.74, 0.78, 0.84), (0.84, 0.86, 0.89), smoothstep(-0.3, 0.3, noise2(t.x / 9, t.y / 9, seed + 5, 5))
    )
    rk = smoothstep(0.66, 0.5, t.up + 0.1 * noise2(t.x / 70, t.y / 70, seed + 6, 5)) * smoothstep(
        500, 900, t.r
    )
    snow = mixc(snow, (0.15, 0.15, 0.16), rk)
    if ice:
        near = smoothstep(2500, 1800, t.r)
        n = noise2(t.x / 14, t.y / 14, seed + 50, 5)
        crack = smoothstep(0.90, 0.985, noise2(t.x / 6, t.y / 6, seed + 51, 3, 0.5, "ridged"))
        icec = mixc((0.16, 0.34, 0.42), (0.40, 0.56, 0.62), smoothstep(-0.3, 0.3, n))
        icec = mixc(icec, (0.82, 0.87, 0.9), np.maximum(crack, smoothstep(0.1, 0.35, n)))
        snow = mixc(snow, icec, near)
    t.build(snow, mat_colour("snow", fog, detail=(1.4, 0.25, 0.35), gloss=0.22 if ice else 0.0, rough=0.18))
    m = mat_colour("plants", fog, vary=0.15)
    if forest_:
        for _k in range(2):
            scatter(
                rng,
                t,
                700,
                12,
                600,
                (6, 14),
                conifer(rng, m, (0.028, 0.05, 0.03), 0.55),
                lambda x, y, z: noise2(x / 130, y / 130, seed + 60, 3) > -0.02,
                power=1.3,
            )
    if rng.uniform() < 0.35:
        scatter(
            rng,
            t,
            60,
            5,
            200,
            (0.4, 2.2),
            rock(rng, m, (0.62, 0.68, 0.74) if ice else (0.2, 0.2, 0.21)),
            sink=0.25,
        )
    return Shot(
        sky,
        facts={
            "snow": 0.9,
            "has_snow": True,
            "ice": ice,
            "hills": hills,
            "trees": forest_,
            "ground": "snow" if not ice else "ice",
            "camera_height": cam,
        },
    )
