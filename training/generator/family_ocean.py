# SPDX-License-Identifier: CC0-1.0
"""Scene family: ocean."""

import math

import numpy as np

from training.generator.family_common import SEAS, Shot, make_sky, pick, start, wave_surface
from training.generator.materials import mat_colour, mat_water
from training.generator.sky_fields import noise2, smoothstep
from training.generator.stage import mesh_object
from training.generator.terrain import mixc


def ocean(rng, threads):
    sky = make_sky(rng, days={"sunset": 3, "golden hour": 2.5})
    rough = {"stormy": rng.uniform(2.0, 4.5), "overcast": rng.uniform(0.6, 2.5)}.get(
        sky.weather, rng.uniform(0.15, 1.6)
    )
    sea = (
        pick(rng, {"dark slate": 2, "grey-green": 2})
        if sky.weather in ("stormy", "overcast")
        else pick(rng, {"deep blue": 2, "teal": 1, "turquoise": 1, "grey-green": 0.4})
    )
    cam = rng.uniform(2.5, 5) + rough * 1.2
    start(sky, rng, SEAS[sea], cam, 10, threads)
    fog = sky.fog(rng.uniform(14000, 30000), 0.9)
    x, y, z, tri = wave_surface(rng, 640, 220, 40000, rough, rough < 0.5)
    col = np.asarray(SEAS[sea])[None] * np.ones((len(x), 1))
    if rough > 1.3:
        fs = int(rng.integers(1 << 20))
        foam = smoothstep(
            0.5, 1.0, 0.22 * z / (0.16 * rough) + 0.9 * noise2(x / 7, y / 3, fs, 6, 0.6, "ridged") - 0.1
        ) * smoothstep(0.0, 0.3, noise2(x / 11, y / 11, fs + 9, 3) + 0.25 * z / rough)
        col = mixc(col, (0.6, 0.63, 0.65), foam * 0.4 * smoothstep(500, 100, np.hypot(x, y)))
    mesh_object(
        "sea",
        np.stack([x, y, z], -1),
        tri,
        mat_water("water", fog, 0.35 if rough > 0.4 else 0.15, 1.1, rough=0.06, use_col=True),
        col,
        smooth=True,
    )
    isl = rng.uniform() < 0.3
    if isl:
        seed, a, d = int(rng.integers(1 << 20)), rng.uniform(0, 6.28), rng.uniform(1800, 6000)
        xx, yy = np.meshgrid(np.linspace(-1, 1, 180), np.linspace(-1, 1, 180))
        s = rng.uniform(500, 1500)
        h = (
            s
            * 0.5
            * (
                smoothstep(1.0, 0.1, np.hypot(xx, yy))
                * (0.4 + 0.9 * noise2(xx * 2.2, yy * 2.2, seed, 8, 0.5, "ridged"))
            )
            - s * 0.06
        )
        i = (np.arange(179)[:, None] * 180 + np.arange(179)).ravel()
        v = np.stack(
            [(xx * s + d * math.cos(a)).ravel(), (yy * s * 1.4 + d * math.sin(a)).ravel(), h.ravel()], -1
        )
        c = mixc(
            (0.07, 0.10, 0.04),
            (0.22, 0.19, 0.16),
            smoothstep(-0.1, 0.2, noise2(xx * 9, yy * 9, seed, 5)).ravel(),
        )
        mesh_object(
            "island", v, np.stack([i, i + 1, i + 181, i + 180], -1), mat_colour("isl", fog), c, smooth=True
        )
    return Shot(
        sky,
        facts={
            "water": sea,
            "has_water": True,
            "waves": "rough" if rough > 1.7 else ("gentle" if rough > 0.5 else "calm"),
            "island": isl,
            "ground": "sea",
            "camera_height": cam,
        },
    )
