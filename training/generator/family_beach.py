# SPDX-License-Identifier: CC0-1.0
"""Scene family: beach."""

import math

import numpy as np

from training.generator.family_common import SANDS, Shot, make_sky, pick, start, wave_surface
from training.generator.materials import mat_colour, mat_water
from training.generator.plants import broadleaf, grass_tuft, palm, rock
from training.generator.sky_fields import noise2, smoothstep
from training.generator.stage import mesh_object
from training.generator.terrain import Terrain, mixc, mottled, scatter


def beach(rng, threads):
    tropical = rng.uniform() < 0.65
    sky = make_sky(
        rng,
        days={"night": 0.7, "sunset": 3},
        weather={"clear": 2.5, "stormy": 0.5, "foggy": 0.5, "overcast": 0.8},
    )
    seed, a = int(rng.integers(1 << 20)), rng.uniform(0, 2 * math.pi)
    sand = pick(rng, {"golden": 1, "pale": 2, "white": 1.6})
    shore = rng.uniform(5, 14)
    hills = rng.uniform() < 0.55
    lvl = -rng.uniform(0.9, 1.6)

    def height(x, y):
        u = (
            x * math.cos(a)
            + y * math.sin(a)
            + 5 * noise2(x / 45, y / 45, seed, 3)
            - 5 * noise2(np.zeros(1), np.zeros(1), seed, 3)[0]
        )
        k = lvl / shore
        h = np.where(
            u > 0, k * u * (1 + 0.02 * np.maximum(u - shore, 0)), k * 14 * np.tanh(np.minimum(u, 0) / 14)
        )
        h = (
            h
            + 0.35 * noise2(x / 14, y / 14, seed + 2, 4) * smoothstep(0, -18, u)
            + 0.05 * noise2(x / 2.2, y / 2.2, seed + 3, 5)
        )
        if hills:
            h = h + 190 * noise2(x / 900, y / 900, seed + 4, 7, 0.5, "ridged") * smoothstep(-60, -900, u)
        return np.maximum(h, -25)

    cam = rng.uniform(1.7, 3)
    start(sky, rng, SANDS[sand][0], cam, 10, threads)
    fog = sky.fog(rng.uniform(9000, 20000))
    t = Terrain(height)
    wl = lvl - t.z0
    c = SANDS[sand]
    col = mottled(t.x, t.y, seed + 9, c[0], c[1], 6)
    wet = smoothstep(wl + 0.32, wl + 0.08, t.z)
    col = col * (1 - 0.5 * wet)[:, None]
    inland = -(t.x * math.cos(a) + t.y * math.sin(a))
    green = smoothstep(26, 48, inland + 8 * noise2(t.x / 12, t.y / 12, seed + 6, 4))
    col = mixc(col, mottled(t.x, t.y, seed + 12, (0.04, 0.09, 0.02), (0.09, 0.13, 0.035), 12), green)
    t.build(col, mat_colour("sand", fog, detail=(7.0, 0.4, 0.3)))
    x, y, z, tri = wave_surface(rng, 480, 160, 30000, 0.25 if tropical else 0.6, True)
    depth = np.clip(wl - t.at(x, y), 0, 30)
    z *= smoothstep(0.2, 3, depth) * 0.8 + 0.15
    lo, hi = (
        ((0.10, 0.34, 0.30), (0.008, 0.10, 0.15)) if tropical else ((0.12, 0.17, 0.15), (0.012, 0.05, 0.07))
    )
    wc = mixc(np.array(c[0]) * 0.5 + np.array(lo) * 0.5, lo, smoothstep(0, 0.8, depth))
    wc = mixc(wc, hi, smoothstep(0.8, 7.5, depth + 1.2 * noise2(x / 40, y / 40, seed, 3)))
    surf = smoothstep(0.35, 0.05, depth + 0.25 * noise2(x / 2.5, y / 2.5, seed + 17, 4)) * smoothstep(
        -0.1, 0.2, noise2(x / 1.2, y / 1.2, seed + 19, 4)
    )
    line = smoothstep(
        0.16, 0.05, np.abs(depth - 1.25 - 0.5 * noise2(x / 20, y / 20, seed + 23, 3))
    ) * smoothstep(-0.1, 0.2, noise2(x / 3, y / 3, seed + 29, 4))
    wc = mixc(wc, (0.78, 0.8, 0.8), np.clip(surf + 0.8 * line, 0, 1))
    mesh_object(
        "sea",
        np.stack([x, y, z + wl], -1),
        tri,
        mat_water("water", fog, 0.22, 1.3, rough=0.06, use_col=True),
        wc,
        smooth=True,
    )
    m = mat_colour("plants", fog, vary=0.2)

    def inl(x, y, z):
        return -(x * math.cos(a) + y * math.sin(a))

    if tropical:
        for k in range(3):
            scatter(
                rng,
                t,
                260,
                7,
                160,
                (6, 11),
                palm(rng, m),
                lambda x, y, z, k=k: (inl(x, y, z) > 8 + 6 * k) & (z > 0.2),
                power=1.2,
            )
        scatter(
            rng,
            t,
            700,
            12,
            160,
            (1.0, 2.6),
            broadleaf(rng, m, (0.05, 0.11, 0.02), 0.5),
            lambda x, y, z: inl(x, y, z) > 30,
        )
    else:
        scatter(
            rng,
            t,
            1800,
            3,
            90,
            (0.4, 0.9),
            grass_tuft(rng, m, (0.22, 0.22, 0.09), 34, 0.5),
            lambda x, y, z: inl(x, y, z) > 9 + 6 * noise2(x / 10, y / 10, seed, 2),
        )
        scatter(
            rng,
            t,
            160,
            4,
            80,
            (0.4, 2.5),
            rock(rng, m, (0.14, 0.13, 0.12)),
            lambda x, y, z: (z < 0.1) & (noise2(x / 20, y / 20, seed + 3, 2) > 0.1),
            sink=0.2,
        )
    return Shot(
        sky,
        facts={
            "has_water": True,
            "water": "turquoise" if tropical else "grey-green",
            "tropical": tropical,
            "palms": tropical,
            "sand": sand,
            "hills": hills,
            "waves": "calm" if tropical else "gentle",
            "ground": sand + " sand",
            "camera_height": cam,
        },
    )
