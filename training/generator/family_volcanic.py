# SPDX-License-Identifier: CC0-1.0
"""Scene family: volcanic."""

import math

import bpy
import numpy as np

from training.generator.family_common import Shot, far_hills, make_sky, start
from training.generator.materials import mat_colour
from training.generator.night_sky import sphere_fbm
from training.generator.plants import rock
from training.generator.sky import F_mean
from training.generator.sky_fields import noise2, smoothstep
from training.generator.stage import DIRS
from training.generator.terrain import Terrain, mottled, scatter


def volcanic(rng, threads):
    sky = make_sky(
        rng,
        weather={"stormy": 2.5, "overcast": 2, "hazy": 2, "clear": 1.2},
        days={"night": 2.2, "dusk": 2.2, "sunset": 2.5},
        tint=(1.06, 0.93, 0.84) if rng.uniform() < 0.6 else None,
    )
    seed = int(rng.integers(1 << 20))
    lava = rng.uniform() < 0.72
    a, d = rng.uniform(0, 2 * math.pi), rng.uniform(1300, 2600)
    cx, cy, size = d * math.cos(a), d * math.sin(a), rng.uniform(650, 1300)
    red = rng.uniform() < 0.35

    def height(x, y):
        r = np.hypot(x, y)
        rc = np.hypot(x - cx, y - cy) / size
        cone = (
            size
            * 0.80
            * np.exp(-np.maximum(rc - 0.16, 0) * 1.9)
            * (1 + 0.08 * noise2(x / size * 3, y / size * 3, seed + 6, 5))
        )
        cone = np.where(rc < 0.18, cone - size * 0.12 * smoothstep(0.18, 0.06, rc), cone)
        rough = noise2(x / 9, y / 9, seed, 7, 0.55, "billow")
        return (
            cone
            + 1.6 * rough * smoothstep(0, 8, r)
            + 5 * noise2(x / 120, y / 120, seed + 2, 4) * smoothstep(5, 60, r)
            + far_hills(x, y, seed + 8, 260, 1200, 5000, 2500)
        )

    start(sky, rng, (0.04, 0.035, 0.03), 2, 12, threads)
    t = Terrain(height)
    cam = max(1.8, t.clearance(4) + 1.6) + rng.uniform(0, 2.5)
    bpy.context.scene.camera.location = (0, 0, cam)
    fog = sky.fog(rng.uniform(4000, 10000))
    dark = (
        ((0.030, 0.028, 0.028), (0.065, 0.058, 0.055))
        if not red
        else ((0.09, 0.04, 0.028), (0.15, 0.07, 0.045))
    )
    col = mottled(t.x, t.y, seed + 9, dark[0], dark[1], 4, (0.10, 0.085, 0.06))
    rc = np.hypot(t.x - cx, t.y - cy) / size
    emit = None
    if lava:
        wx = 12 * noise2(t.x / 30, t.y / 30, seed + 31, 4)
        cr = np.abs(noise2((t.x + wx) / 38, (t.y - wx) / 38, seed + 30, 2))
        river = (
            np.exp(-((cr / 0.04) ** 2))
            * smoothstep(-0.25, 0.05, noise2(t.x / 160, t.y / 160, seed + 33, 2))
            * smoothstep(3, 9, t.r)
            * smoothstep(900, 300, t.r)
        )
        th = np.arctan2(t.y - cy, t.x - cx) + 0.25 * noise2(t.x / 300, t.y / 300, seed + 35, 3)
        flow = (
            np.exp(-((np.abs(np.sin(th * 3 + seed)) / (0.07 + 0.03 / (rc + 0.2))) ** 2))
            * smoothstep(2.0, 0.2, rc)
            * (rc > 0.12)
            * (noise2(t.x / 90, t.y / 90, seed + 36, 3) > -0.25)
        )
        emit = np.maximum(
            river * (0.45 + 0.8 * np.clip(0.5 + noise2(t.x / 2, t.y / 2, seed + 37, 4), 0, 1)), flow * 0.9
        ) + 1.4 * (rc < 0.1)
        emit = emit * {"night": 1.1, "dusk": 2.0}.get(sky.when, 3.0)
    t.build(
        col,
        mat_colour("rock", fog, detail=(1.6, 0.9, 0.9), emission=(1.0, 0.16, 0.015) if lava else None),
        emit,
    )
    m = mat_colour("plants", fog)
    scatter(rng, t, 220, 3, 120, (0.3, 2.2), rock(rng, m, dark[1], 0.6), sink=0.25, power=1.3)
    plume(rng, sky, a, d, size, lava)
    return Shot(
        sky,
        facts={
            "lava": lava,
            "rock": "reddish" if red else "black",
            "ground": "black lava rock" if not red else "rusty scoria",
            "plume": True,
            "camera_height": cam,
        },
        key=0.95,
    )


def plume(rng, sky, a, d, size, lava):
    """Billowing ash column over the crater, painted into the sky panorama."""
    el0 = math.atan2(size * 0.6, d)
    az = np.arctan2(DIRS[..., 1], DIRS[..., 0])
    el = np.arcsin(np.clip(DIRS[..., 2], -1, 1))
    drift = rng.uniform(-0.9, 0.9)
    up = np.clip((el - el0 + 0.05) / rng.uniform(0.5, 0.9), 0, 1.4)
    dx = (az - a + math.pi) % (2 * math.pi) - math.pi - drift * up**1.6
    n = sphere_fbm(DIRS, rng, 0.9, 5, 0.55, 0.25) - 0.5
    w = 0.035 * size / d * 4 + 0.42 * up**1.1
    k = np.clip(1.15 - np.abs(dx) / w + 2.6 * n, 0, 1) * smoothstep(0, 0.06, up) * smoothstep(1.3, 0.45, up)
    k = (smoothstep(0.1, 0.75, k) * 0.92)[..., None]
    amb = F_mean(sky.full, 0.0, 1.0)
    shade = np.clip(0.45 + 2.4 * n, 0.1, 1.3)[..., None]
    c = amb * shade * np.array([0.62, 0.58, 0.56]) + sky.e_sun * sky.colour * 0.07 * shade
    if lava:
        c = c + np.exp(-up / 0.16)[..., None] * np.array([1.0, 0.22, 0.04]) * (
            0.12 if sky.night or sky.when == "dusk" else 0.25
        )
    sky.full = (sky.full * (1 - k) + k * c).astype(np.float32)
    sky.sun_through = sky.sun_through * (1 - k[..., 0])
