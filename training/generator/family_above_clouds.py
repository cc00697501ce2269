# SPDX-License-Identifier: CC0-1.0
"""Scene family: above clouds."""

import math

import numpy as np

from training.generator.clouds import clouds
from training.generator.family_common import Shot, pick
from training.generator.sky import F_mean, Sky
from training.generator.sky_fields import sun_vector
from training.generator.stage import AREA, DIRS, H, W


# ----------------------------------------------------------------- above clouds
def above_clouds(rng, threads):
    sky = Sky(
        rng,
        pick(
            rng,
            {
                "noon": 1.5,
                "morning": 2,
                "afternoon": 1.5,
                "golden hour": 2.5,
                "sunset": 3,
                "sunrise": 2,
                "dusk": 2,
                "night": 1.4,
            },
        ),
        pick(rng, {"clear": 2.2, "wispy": 1.0}),
        cam_h=3000,
    )
    z = DIRS[..., 2]
    below = np.asarray((0.006, 0.022, 0.05)) if rng.uniform() < 0.6 else np.asarray((0.05, 0.06, 0.03))
    up = F_mean(sky.clear, 0, 1)
    hor = np.repeat(sky.horizon[:1], 1, 0).repeat(8, 1)[:, :W]
    f = np.exp(np.minimum(z, 0) / 0.22)[..., None]
    ground = below * math.pi * up.mean() * 2.0 + 0.25 * up
    pano = np.where(z[..., None] >= 0, sky.full, hor * f + ground * (1 - f))
    cov = rng.uniform(0.72, 1.15)
    es = sky.e_sun * (0.6 * sky.colour + 0.4 * sky.colour.mean()) * (4.5 if sky.el < 0.2 else 1.6)
    if getattr(sky, "glow", None) is not None and sky.el < 0.12:
        es = 0.5 * es + 0.5 * max(sky.e_sun, 0.35) * sky.glow * (3.0 if sky.el > 0 else 1.2)
    lit = sun_vector(sky.az, max(sky.el, 0.15))
    rgb, tr, dep = clouds(
        DIRS,
        lit,
        es,
        0.45 * F_mean(sky.clear, 0.4, 1) + 0.1 * F_mean(sky.clear, 0, 0.3),
        0.10 * F_mean(sky.clear, 0, 0.3),
        cov,
        rng,
        cam_h=rng.uniform(2300, 3400),
        base_h=rng.uniform(300, 700),
        thick=rng.uniform(900, 1500),
        scale=rng.uniform(2200, 5000),
        density=rng.uniform(0.5, 0.9),
        erode=rng.uniform(0.5, 0.9),
        flat=rng.uniform(0.5, 1.0),
        steps=34,
        radius=3.0e6,
        tmax=90000,
    )
    a = (1 - tr)[..., None]
    fd = np.exp(-dep / rng.uniform(45000, 90000))[..., None]
    pano = pano * (1 - a) + rgb * fd + a * (1 - fd) * np.where(z[..., None] >= 0, sky.clear, hor)
    sky.full = pano.astype(np.float32)
    sky.sun_through = sky.sun_through * tr
    return Shot(
        sky,
        facts={
            "cover_below": round(float(((1 - tr) * AREA)[H // 2 :].sum() / AREA[H // 2 :].sum()), 2),
            "dense": cov > 0.95,
            "ground": "clouds",
            "camera_height": 3000,
        },
        geometry=False,
    )
