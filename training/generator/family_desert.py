# SPDX-License-Identifier: CC0-1.0
"""Scene family: desert."""

import math

import bpy
import numpy as np

from training.generator.family_common import SANDS, Shot, make_sky, pick, start
from training.generator.materials import mat_colour
from training.generator.plants import grass_tuft, rock
from training.generator.sky_fields import noise2, smoothstep
from training.generator.terrain import Terrain, mixc, mottled, scatter


def desert(rng, threads):
    sky = make_sky(rng, weather={"foggy": 0.15, "hazy": 1.6, "overcast": 0.5, "stormy": 0.6, "clear": 3})
    sand = pick(rng, dict.fromkeys(SANDS, 1))
    seed = int(rng.integers(1 << 20))
    wind, lam, steep = rng.uniform(0, math.pi), rng.uniform(70, 240), rng.uniform(0.14, 0.24)
    amp = steep * lam
    flat = rng.uniform() < 0.22
    mesas = rng.uniform() < 0.2

    def dunes(x, y, lam, sd):
        u = x * math.cos(wind) + y * math.sin(wind)
        p = u / lam + 1.1 * noise2(x / lam / 2.6, y / lam / 2.6, sd, 3)
        f = p - np.floor(p)
        prof = np.where(f < 0.74, smoothstep(0, 0.74, f), 1 - smoothstep(0.74, 1.0, f))
        return prof * np.clip(0.55 + 1.1 * noise2(x / lam / 2.0, y / lam / 2.0, sd + 4, 3), 0.05, 1.6)

    def height(x, y):
        r = np.hypot(x, y)
        h = 0.0 * x
        if not flat:
            h = amp * dunes(x, y, lam, seed) + 0.3 * amp * dunes(x + 300, y, lam * 0.37, seed + 8)
            h = h + 2.5 * amp * noise2(x / 1500, y / 1500, seed + 14, 3) * smoothstep(200, 1500, r)
        else:
            h = 0.5 * noise2(x / 40, y / 40, seed, 5)
        u = x * math.cos(wind + 0.2) + y * math.sin(wind + 0.2)
        fade = 1 / (1 + (r / 14) ** 2)
        h = (
            h
            + 0.016 * np.sin((u + 0.25 * noise2(x * 0.8, y * 0.8, seed + 30, 3)) * 2 * math.pi / 0.34) * fade
        )
        if mesas:
            n = noise2(x / 2600, y / 2600, seed + 50, 6)
            h = h + 260 * smoothstep(0.14, 0.19, n) * (1 + 0.35 * n) * smoothstep(900, 1800, r)
        return h

    start(sky, rng, np.array(SANDS[sand][0]) * 0.9, 2, 10, threads)
    t = Terrain(height)
    cam = max(1.8, t.clearance(5) + 1.8) + rng.uniform(0, 9 if flat else 4)
    bpy.context.scene.camera.location = (0, 0, cam)
    fog = sky.fog(rng.uniform(5000, 12000))
    c = SANDS[sand]
    col = mottled(t.x, t.y, seed + 9, c[0], c[1], 30)
    if flat:
        cr = noise2(t.x / 1.1, t.y / 1.1, seed + 77, 3, 0.5, "ridged")
        col = col * (1 - 0.45 * smoothstep(0.80, 0.95, cr) * smoothstep(60, 15, t.r))[:, None]
    if mesas:
        k = smoothstep(0.9, 0.7, t.up) * smoothstep(700, 1000, t.r)
        band = 0.7 + 0.5 * noise2(t.z / 28, t.x / 3000, seed, 4)
        col = mixc(col, np.array([0.34, 0.15, 0.08])[None] * band[:, None], k)
    t.build(col, mat_colour("sand", fog, detail=(9.0, 0.35, 0.25)))
    m = mat_colour("plants", fog, vary=0.25)
    scrub = flat or rng.uniform() < 0.25
    if scrub:
        scatter(
            rng,
            t,
            900,
            3,
            200,
            (0.3, 0.9),
            grass_tuft(rng, m, (0.18, 0.16, 0.07), 60, 0.5),
            lambda x, y, z: noise2(x / 30, y / 30, seed, 3) > 0.0,
            power=1.4,
        )
        scatter(rng, t, 200, 3, 140, (0.15, 0.8), rock(rng, m, np.array(c[0]) * 0.6), sink=0.2, power=1.3)
    return Shot(
        sky,
        facts={
            "sand": sand,
            "dunes": not flat,
            "flat": flat,
            "mesas": mesas,
            "scrub": scrub,
            "ground": sand + " sand",
            "camera_height": cam,
        },
    )
