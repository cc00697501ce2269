# SPDX-License-Identifier: CC0-1.0
"""What a sky takes its colours from: Blender's own sky, times of day, glows and aurorae."""

import math

import numpy as np

from training.generator.sky_fields import luminance
from training.generator.stage import H, W, render, reset

TIMES = {  # sun elevation ranges in degrees
    "noon": (52, 78),
    "midday": (38, 52),
    "morning": (16, 34),
    "afternoon": (20, 38),
    "golden hour": (5.5, 12),
    "sunset": (0.6, 4.0),
    "sunrise": (0.8, 4.5),
    "dusk": (-5.5, -2.5),
    "night": (18, 60),
}

GLOWS = [
    ("orange", (1.9, 0.75, 0.16), (0.75, 0.42, 0.42)),
    ("pink", (1.7, 0.55, 0.62), (0.62, 0.40, 0.75)),
    ("golden", (1.8, 1.05, 0.30), (0.70, 0.58, 0.50)),
    ("crimson", (1.7, 0.34, 0.16), (0.62, 0.30, 0.42)),
    ("magenta", (1.4, 0.35, 0.75), (0.45, 0.30, 0.80)),
    ("peach", (1.8, 0.95, 0.62), (0.62, 0.55, 0.70)),
]

AURORAS = [
    ("green", (0.10, 1.0, 0.35), (0.10, 0.45, 0.45)),
    ("green and purple", (0.12, 1.0, 0.40), (0.75, 0.12, 0.85)),
    ("green and red", (0.2, 1.0, 0.3), (1.0, 0.12, 0.16)),
    ("teal", (0.08, 0.9, 0.75), (0.15, 0.3, 0.9)),
    ("violet", (0.65, 0.3, 1.0), (0.9, 0.15, 0.6)),
]


def bake_sky(elevation, azimuth, air, dust, ozone):
    """Blender's own Sky Texture without its disc, as a small panorama (upper half)."""
    s = reset(1, 1)
    s.cycles.use_denoising = False
    s.cycles.pixel_filter_type = "BOX"
    s.cycles.filter_width = 0.01
    s.render.film_transparent = False
    s.world.cycles.sampling_method = "NONE"
    nt = s.world.node_tree
    sky = nt.nodes.new("ShaderNodeTexSky")
    sky.sky_type = "NISHITA"
    sky.sun_disc = False
    sky.sun_elevation = elevation
    sky.sun_rotation = 0.0
    sky.altitude = 50.0
    sky.air_density, sky.dust_density, sky.ozone_density = air, dust, ozone
    nt.links.new(sky.outputs[0], nt.nodes["Background"].inputs[0])
    w, h = 256, 128
    a = render(w, h)[..., :3]
    a = a[: h // 2]
    col = luminance(a)[h // 2 - 12 : h // 2].mean(0)  # the sun side is the bright side
    k = np.exp(-1j * 2 * math.pi * np.arange(w) / w)
    u0 = (-np.angle((col * k).sum()) / (2 * math.pi)) % 1.0
    u1 = (0.5 - azimuth / (2 * math.pi)) % 1.0
    rows = np.clip((np.arange(H // 2) + 0.5) / 2 / (H / 2 / (h)) - 0.5, 0, h / 2 - 1.001)
    cols = ((np.arange(W) + 0.5) / W - u1 + u0) * w - 0.5
    r0, c0 = np.floor(rows).astype(int), np.floor(cols).astype(int)
    fr, fc = (rows - r0)[:, None, None], (cols - c0)[None, :, None]

    def g(r, c):
        return a[np.minimum(r, h // 2 - 1)][:, c % w]

    top = (g(r0, c0) * (1 - fc) + g(r0, c0 + 1) * fc) * (1 - fr) + (
        g(r0 + 1, c0) * (1 - fc) + g(r0 + 1, c0 + 1) * fc
    ) * fr
    full = np.empty((H, W, 3), np.float32)
    full[: H // 2] = top
    full[H // 2 :] = top[-1:]
    return full


# ================================================================== sky and light
