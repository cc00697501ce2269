# SPDX-License-Identifier: CC0-1.0
"""What the scene families share: the shot, choice of sky, far hills, ground colours and waves."""

import contextlib
import math
from dataclasses import dataclass, field

import numpy as np

from training.generator.sky import Sky
from training.generator.sky_fields import noise2, smoothstep
from training.generator.stage import reset
from training.generator.terrain import mixc, mottled, polar_grid


@dataclass
class Shot:
    sky: object = None  # stage.Sky or None
    background: np.ndarray = None  # used instead of sky.full when given
    facts: dict = field(default_factory=dict)
    key: float = 1.0  # exposure bias
    geometry: bool = True
    samples: int = 4


def pick(rng, options):
    """options: {name: weight}."""
    names = list(options)
    p = np.array([options[n] for n in names], float)
    return names[rng.choice(len(names), p=p / p.sum())]


DAYS = {
    "noon": 2,
    "midday": 1,
    "morning": 2,
    "afternoon": 2,
    "golden hour": 2.2,
    "sunset": 2.2,
    "sunrise": 1.5,
    "dusk": 1.6,
    "night": 1.3,
}


WEATHER = {
    "clear": 1.6,
    "scattered": 2,
    "partly cloudy": 2.6,
    "broken": 1.3,
    "wispy": 1.4,
    "overcast": 1.5,
    "stormy": 1.0,
    "foggy": 1.0,
    "hazy": 0.6,
}


NIGHTS = {"clear": 2, "milky way": 1.6, "scattered": 1.2, "aurora": 0.0, "overcast": 0.12}


_even = []  # while something is here, every weather of the day is as likely as any other


@contextlib.contextmanager
def even_weather():
    """Skies made inside have every weather equally often by day: rare ones get places of all kinds."""
    _even.append(True)
    try:
        yield
    finally:
        _even.pop()


_only_nights = []  # weights of night skies; while one is here, every sky is a night sky


@contextlib.contextmanager
def night_only(nights):
    """Every sky made inside is a night sky, chosen by these weights."""
    _only_nights.append(nights)
    try:
        yield
    finally:
        _only_nights.pop()


def make_sky(rng, days=None, weather=None, nights=None, **kw):
    """A sky by the families' weights, which a family may override."""
    if _only_nights:
        return Sky(rng, "night", pick(rng, _only_nights[-1]), **kw)
    when = pick(rng, {**DAYS, **(days or {})})
    if when == "night":
        w = pick(rng, {**NIGHTS, **(nights or {})})
    else:
        weights = {**WEATHER, **(weather or {})}
        w = pick(rng, dict.fromkeys(weights, 1.0) if _even else weights)
    return Sky(rng, when, w, **kw)


def start(sky, rng, ground, camera, samples, threads):
    s = reset(samples, threads)
    sky.light(ground)
    s.camera.location = (0, 0, camera)
    return s


def far_hills(x, y, seed, amp, r0, r1, lam):
    r = np.hypot(x, y)
    return amp * noise2(x / lam, y / lam, seed, 7, 0.5, "ridged") * smoothstep(r0, r1, r)


# --------------------------------------------------------------------- meadow
GRASS = {
    "fresh green": ((0.055, 0.13, 0.022), (0.10, 0.19, 0.035), (0.16, 0.20, 0.05)),
    "deep green": ((0.03, 0.09, 0.02), (0.06, 0.13, 0.03), (0.09, 0.15, 0.03)),
    "dry golden": ((0.30, 0.21, 0.075), (0.40, 0.29, 0.11), (0.22, 0.17, 0.06)),
    "autumn brown": ((0.19, 0.12, 0.05), (0.26, 0.16, 0.06), (0.14, 0.12, 0.04)),
    "pale olive": ((0.13, 0.15, 0.06), (0.19, 0.20, 0.09), (0.24, 0.22, 0.11)),
}


# ------------------------------------------------------------------ mountains
def ranges(x, y, seed, amp, lam, r0, r1, jag=0.5):
    r = np.hypot(x, y)
    wx = noise2(x / lam, y / lam, seed + 1, 3)
    n = noise2(x / lam + 0.35 * wx, y / lam - 0.35 * wx, seed, 9, jag, "ridged")
    return (
        amp
        * n**1.35
        * (0.55 + 0.9 * np.clip(0.5 + noise2(x / lam / 2.7, y / lam / 2.7, seed + 4, 2), 0, 1))
        * smoothstep(r0, r1, r)
    )


ROCKS = {
    "grey": ((0.16, 0.155, 0.15), (0.25, 0.24, 0.23)),
    "brown": ((0.17, 0.125, 0.09), (0.25, 0.19, 0.14)),
    "dark": ((0.06, 0.06, 0.065), (0.12, 0.115, 0.11)),
    "reddish": ((0.22, 0.12, 0.085), (0.30, 0.18, 0.12)),
}


def mountain_colour(t, z, up, seed, rock_c, grass_c, snow_z, snow_amount):
    c = mottled(t.x, t.y, seed, rock_c[0], rock_c[1], 300, None, 7)
    veg = smoothstep(0.72, 0.88, up + 0.08 * noise2(t.x / 60, t.y / 60, seed + 2, 4)) * smoothstep(
        snow_z * 0.9, snow_z * 0.35, z
    )
    g = mottled(t.x, t.y, seed + 8, grass_c[0], grass_c[1], 70, grass_c[2])
    c = mixc(c, g, veg)
    line = snow_z + 250 * noise2(t.x / 900, t.y / 900, seed + 3, 5)
    s = (
        smoothstep(0, 220, z - line)
        * smoothstep(0.42, 0.62, up + 0.1 * noise2(t.x / 90, t.y / 90, seed + 6, 5))
        * snow_amount
    )
    return mixc(c, (0.80, 0.83, 0.88), s), s


# --------------------------------------------------------------------- desert
SANDS = {
    "golden": ((0.50, 0.33, 0.15), (0.60, 0.42, 0.21)),
    "orange": ((0.52, 0.25, 0.085), (0.60, 0.32, 0.12)),
    "pale": ((0.56, 0.46, 0.32), (0.66, 0.56, 0.41)),
    "red": ((0.40, 0.135, 0.055), (0.50, 0.19, 0.08)),
    "white": ((0.66, 0.64, 0.60), (0.76, 0.74, 0.70)),
}


# ------------------------------------------------------------- ocean and beach
def wave_surface(rng, n_az, n_r, r1, height, calm):
    x, y, q, fan = polar_grid(n_az, n_r, 0.6, r1)
    r = np.hypot(x, y)
    z = np.zeros_like(x)
    wd = rng.uniform(0, 2 * math.pi)
    for i in range(26):
        lam = 90 * 0.82**i * (0.5 if calm else 1)
        a = wd + rng.normal() * 0.55
        k = 2 * math.pi / lam
        cell = np.maximum(r * 2 * math.pi / n_az * 2.2, 0.05)
        ph = (
            (x * math.cos(a) + y * math.sin(a)) * k
            + rng.uniform(0, 6.28)
            + 0.8 * noise2(x / lam / 4, y / lam / 4, i, 2)
        )
        z += (
            height
            * 0.16
            * (lam / 90) ** 0.75
            * (np.sin(ph) + 0.25 * np.cos(2 * ph))
            * np.clip(lam / cell - 1, 0, 1)
        )
    return x, y, z, np.concatenate([fan, q[:, :3], q[:, [0, 2, 3]]])


SEAS = {
    "deep blue": (0.006, 0.032, 0.075),
    "teal": (0.008, 0.075, 0.08),
    "grey-green": (0.025, 0.05, 0.048),
    "turquoise": (0.02, 0.16, 0.17),
    "dark slate": (0.012, 0.02, 0.028),
}
