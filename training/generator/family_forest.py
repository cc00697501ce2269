# SPDX-License-Identifier: CC0-1.0
"""Scene family: forest."""

import numpy as np

from training.generator.family_common import Shot, far_hills, make_sky, pick, start
from training.generator.materials import mat_colour
from training.generator.plants import broadleaf, conifer, grass_tuft, rock
from training.generator.sky_fields import noise2, smoothstep
from training.generator.terrain import Terrain, mixc, mottled, scatter

# ------------------------------------------------------------- forest and lake
LEAVES = {
    "green": (0.05, 0.10, 0.022),
    "light green": (0.09, 0.15, 0.03),
    "autumn orange": (0.42, 0.16, 0.025),
    "autumn red": (0.34, 0.06, 0.025),
    "golden yellow": (0.42, 0.28, 0.03),
}


def forest(rng, threads):
    sky = make_sky(rng, weather={"foggy": 2.6, "overcast": 2, "clear": 2}, days={"night": 0.9})
    kind = pick(rng, {"conifer": 2, "broadleaf": 2, "mixed": 1})
    leaf = (
        pick(
            rng, {"green": 2, "light green": 1.3, "autumn orange": 1, "autumn red": 0.7, "golden yellow": 0.8}
        )
        if kind != "conifer"
        else "dark green"
    )
    snowy = kind == "conifer" and rng.uniform() < 0.3
    seed = int(rng.integers(1 << 20))
    roll = rng.uniform(1, 9)
    dense = rng.uniform(0.3, 1.0)

    def height(x, y):
        r = np.hypot(x, y)
        return (
            roll * noise2(x / 70, y / 70, seed, 5, 0.45) * smoothstep(3, 40, r)
            + 0.2 * noise2(x / 2.5, y / 2.5, seed + 3, 5)
            + far_hills(x, y, seed + 9, 350, 700, 3500, 2200)
        )

    cam = rng.uniform(1.7, 3.2)
    start(sky, rng, (0.07, 0.07, 0.04), cam, 10, threads)
    fog = sky.fog(rng.uniform(2500, 8000))
    fog.ambient = fog.ambient * 2.0  # light filtering through the canopy
    t = Terrain(height, n_az=560, n_r=200)
    if snowy:
        col = mottled(t.x, t.y, seed, (0.74, 0.78, 0.83), (0.82, 0.84, 0.87), 5)
    else:
        litter = {
            "autumn orange": (0.30, 0.14, 0.05),
            "autumn red": (0.26, 0.10, 0.05),
            "golden yellow": (0.30, 0.21, 0.06),
        }.get(leaf, (0.11, 0.08, 0.045))
        col = mottled(t.x, t.y, seed, litter, (0.055, 0.08, 0.025), 4, np.array(litter) * 0.6)
    far = smoothstep(250, 600, t.r)
    lf = LEAVES.get(leaf, (0.025, 0.055, 0.025))
    col = mixc(
        col,
        np.array(lf)[None]
        * (0.5 + 0.6 * np.clip(0.5 + noise2(t.x / 18, t.y / 18, seed + 4, 4), 0, 1))[:, None]
        * (1 + 1.5 * snowy),
        far,
    )
    t.build(col, mat_colour("ground", fog, detail=(3.5, 0.9, 0.6)))
    m = mat_colour("plants", fog, vary=0.25)
    glade = rng.uniform(5, 14)

    def keep(x, y, z):
        return (
            (np.hypot(x, y) > 8.0)
            & (np.hypot(x, y) > glade * (1 + 0.5 * noise2(x / 14, y / 14, seed + 7, 2)))
            & (noise2(x / 40, y / 40, seed + 8, 3) > 0.25 - 0.6 * dense)
        )

    kinds = {"conifer": "cc", "broadleaf": "bb", "mixed": "cb"}[kind]
    for k in kinds:
        for _i in range(2):
            tree = (
                conifer(rng, m, (0.028, 0.06, 0.025), 0.5 * snowy)
                if k == "c"
                else broadleaf(rng, m, lf, rng.uniform(0.3, 0.42))
            )
            scatter(
                rng,
                t,
                int(650 * (0.5 + dense)),
                4.5,
                330,
                (9, 20) if k == "c" else (7, 14),
                tree,
                keep,
                power=1.25,
            )
    if not snowy:
        scatter(
            rng,
            t,
            900,
            0.8,
            20,
            (0.2, 0.5),
            grass_tuft(rng, m, (0.06, 0.10, 0.025), 24, 0.5),
            lambda x, y, z: noise2(x / 5, y / 5, seed + 11, 3) > -0.05,
            power=1.5,
        )
    scatter(
        rng,
        t,
        60,
        3,
        60,
        (0.3, 1.3),
        rock(rng, m, (0.13, 0.14, 0.11) if not snowy else (0.5, 0.52, 0.55)),
        sink=0.3,
    )
    return Shot(
        sky,
        facts={
            "kind": kind,
            "leaves": leaf,
            "dense": dense > 0.6,
            "has_snow": snowy,
            "snow": 0.6 if snowy else 0.0,
            "trees": True,
            "ground": "snow"
            if snowy
            else ("fallen leaves" if "autumn" in leaf or leaf == "golden yellow" else "forest floor"),
            "camera_height": cam,
        },
    )
