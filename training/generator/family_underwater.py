# SPDX-License-Identifier: CC0-1.0
"""Scene family: underwater."""

import math

import numpy as np

from training.generator.clouds import layer
from training.generator.family_common import Shot, pick
from training.generator.materials import Fog, mat_colour
from training.generator.plants import grass_tuft, rock
from training.generator.sky_fields import noise2, smoothstep, sun_vector
from training.generator.stage import DIRS, add_sun, image_from, reset
from training.generator.terrain import Terrain, mixc, mottled, scatter


# ------------------------------------------------------------------ underwater
def underwater(rng, threads):
    tone = pick(rng, {"blue": 2, "turquoise": 1.6, "green": 0.8, "deep": 1})
    surf = {
        "blue": (0.16, 0.52, 0.80),
        "turquoise": (0.22, 0.72, 0.72),
        "green": (0.26, 0.60, 0.40),
        "deep": (0.05, 0.20, 0.42),
    }[tone]
    deep = {
        "blue": (0.006, 0.06, 0.17),
        "turquoise": (0.01, 0.15, 0.20),
        "green": (0.012, 0.09, 0.06),
        "deep": (0.001, 0.010, 0.035),
    }[tone]
    az, el = rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(50, 82))
    sun = sun_vector(az, el)
    z = DIRS[..., 2]
    t = smoothstep(-0.45, 0.95, z) ** 1.5
    pano = np.asarray(deep) * (1 - t[..., None]) + 0.7 * np.asarray(surf) * t[..., None]
    n = layer(DIRS, rng, 1.0, rng.uniform(1.5, 3.5), 4, 0.5, 1.0, 1.2)
    rid = 1 - np.abs(2 * n - 1)
    win = smoothstep(math.cos(math.radians(54)), math.cos(math.radians(42)), z + 0.10 * (n - 0.5))
    mu = np.clip(DIRS @ sun.astype(np.float32), -1, 1)
    glare = np.exp(-(1 - mu) / 0.02) * 3.0 + np.exp(-(1 - mu) / 0.12) * 0.8
    bright = (0.35 + 1.2 * rid**3) * win
    clear = {"deep": 0.35}.get(tone, 1.0)
    pano = (
        pano
        + (bright * clear)[..., None] * np.asarray(surf) * 0.9
        + (glare * (0.4 + rid**4 * 2.0) * smoothstep(0.3, 0.7, z) * clear)[..., None]
        * np.array([0.8, 1.0, 0.95])
        * 0.8
    )
    under = (1 - win) * smoothstep(0.02, 0.5, z)
    pano = pano * (1 + 0.5 * under * (rid - 0.5))[..., None]
    az_map = np.arctan2(DIRS[..., 1] - sun[1] * z / sun[2], DIRS[..., 0] - sun[0] * z / sun[2])
    ray = noise2(np.cos(az_map) * 7, np.sin(az_map) * 7, int(rng.integers(1 << 20)), 4)
    shafts = (
        smoothstep(0.05, 0.5, ray)
        * smoothstep(-0.15, 0.5, z)
        * (0.3 + 0.7 * np.exp(-(1 - mu) / 0.35))
        * (1 - 0.7 * win)
    )
    pano = (pano + (shafts * clear)[..., None] * np.asarray(surf) * rng.uniform(0.2, 0.5)).astype(np.float32)
    s = reset(10, threads)
    tex = s.world.node_tree.nodes.new("ShaderNodeTexEnvironment")
    tex.image = image_from(pano[::4, ::4], "env")
    s.world.node_tree.links.new(tex.outputs[0], s.world.node_tree.nodes["Background"].inputs[0])
    add_sun(sun, (0.65, 1.0, 0.95), 1.2 * clear, 2.0)
    seed = int(rng.integers(1 << 20))
    rolling = rng.uniform(0.3, 3)
    reef = rng.uniform() < 0.6

    def height(x, y):
        r = np.hypot(x, y)
        h = rolling * noise2(x / 18, y / 18, seed, 5) * smoothstep(2, 14, r) + 0.03 * np.sin(
            (y + 0.6 * noise2(x / 1.3, y / 1.3, seed + 4, 3)) * 12
        ) * np.exp(-r / 12)
        if reef:
            h = h + 3.5 * smoothstep(0.05, 0.3, noise2(x / 14, y / 14, seed + 7, 6, 0.55)) * smoothstep(
                3, 9, r
            )
        return h

    cam = rng.uniform(1.5, 4.5)
    s.camera.location = (0, 0, cam)
    g = smoothstep(-1.0, 1.0, DIRS[::4, ::4, 2])[..., None]
    base = np.asarray(deep) * (1 - t[::4, ::4, None]) + 0.7 * np.asarray(surf) * t[::4, ::4, None]
    fog = Fog(
        (base * (0.8 + 0.3 * g)).astype(np.float32),
        rng.uniform(9, 26) * (0.7 if tone in ("deep", "green") else 1),
        1.0,
    )
    tr = Terrain(height, r1=400, r0=0.3, n_az=560, n_r=180)
    sand = mottled(tr.x, tr.y, seed + 9, (0.42, 0.38, 0.28), (0.55, 0.50, 0.38), 5)
    c1 = noise2(tr.x * 0.9 + 0.7 * noise2(tr.x * 0.7, tr.y * 0.7, seed + 11, 2), tr.y * 0.9, seed + 10, 2)
    caustic = np.exp(-((np.abs(c1) / 0.05) ** 1.3)) + 0.6 * np.exp(
        -((np.abs(noise2(tr.x * 1.3, tr.y * 1.3, seed + 15, 2)) / 0.05) ** 1.3)
    )
    if reef:
        sand = mixc(
            sand,
            mottled(tr.x, tr.y, seed + 12, (0.10, 0.09, 0.08), (0.24, 0.15, 0.14), 1.2, (0.16, 0.20, 0.08)),
            smoothstep(0.05, 0.2, noise2(tr.x / 14, tr.y / 14, seed + 7, 6, 0.55)) * smoothstep(3, 9, tr.r),
        )
    sand = sand * (0.75 + 1.6 * caustic * np.clip(tr.up, 0, 1) ** 2 * clear)[:, None]
    tr.build(sand, mat_colour("sea floor", fog, detail=(6.0, 0.3, 0.3)))
    m = mat_colour("plants", fog, vary=0.3)
    weed = rng.uniform() < 0.65
    if weed:
        for k, c in enumerate(((0.06, 0.14, 0.04), (0.14, 0.12, 0.03))):
            scatter(
                rng,
                tr,
                420,
                1.5,
                30,
                (0.6, 2.4) if k else (0.3, 0.9),
                grass_tuft(rng, m, c, 30, 0.25),
                lambda x, y, z, k=k: noise2(x / 6, y / 6, seed + 20 + k, 3) > 0.08,
                power=1.3,
            )
    coral = reef or rng.uniform() < 0.3
    if coral:
        for c in (
            (0.62, 0.16, 0.14),
            (0.65, 0.36, 0.10),
            (0.45, 0.14, 0.42),
            (0.6, 0.5, 0.2),
            (0.75, 0.4, 0.45),
        ):
            scatter(
                rng,
                tr,
                80,
                2,
                24,
                (0.2, 0.9),
                rock(rng, m, c, 0.9),
                lambda x, y, z: noise2(x / 8, y / 8, seed + 27, 3) > -0.05,
                sink=0.1,
            )
            scatter(
                rng,
                tr,
                90,
                2,
                22,
                (0.3, 0.8),
                grass_tuft(rng, m, c, 24, 0.2),
                lambda x, y, z: noise2(x / 8, y / 8, seed + 27, 3) > -0.05,
            )
    scatter(rng, tr, 120, 2, 30, (0.3, 1.6), rock(rng, m, (0.15, 0.15, 0.14)), sink=0.25)
    return Shot(
        None,
        pano,
        {
            "tone": tone,
            "coral": coral,
            "weed": weed,
            "reef": reef,
            "has_water": True,
            "caustics": tone != "deep",
            "ground": "sea floor",
            "sun_az": az,
            "sun_el": el,
            "camera_height": cam,
        },
        key=0.85,
    )
