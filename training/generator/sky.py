# SPDX-License-Identifier: CC0-1.0
"""The sky of an outdoor scene: sun, clouds, stars, aurora, and the light they give."""

import math

import bpy
import numpy as np

from training.generator import night_sky
from training.generator.clouds import clouds, layer
from training.generator.materials import Fog
from training.generator.sky_colours import AURORAS, GLOWS, TIMES, bake_sky
from training.generator.sky_fields import luminance, noise2, smoothstep, sun_vector
from training.generator.stage import AREA, DIRS, H, W, add_sun, image_from


class Sky:
    """Background radiance (with clouds), lamp and haze for one time and weather."""

    def __init__(self, rng, when, weather, tint=None, stars=True, cam_h=0.0):
        self.when, self.weather = when, weather
        lo, hi = TIMES[when]
        self.el = math.radians(rng.uniform(lo, hi))
        self.az = rng.uniform(-math.pi, math.pi)
        self.sun = sun_vector(self.az, self.el)
        self.night = when == "night"
        self.facts = {}
        self.fog_length = float(np.exp(rng.uniform(math.log(22), math.log(170))))
        z = np.maximum(DIRS[..., 2], 0.0)
        air = rng.uniform(0.7, 1.6)
        dust = rng.uniform(0.2, 2.5) if weather != "hazy" else rng.uniform(2.0, 3.5)
        ozone = rng.uniform(0.6, 3.5)
        day = max(self.el, math.radians(-6))
        if self.night:
            zen = np.array([0.008, 0.013, 0.027]) * rng.uniform(0.6, 1.4, 3)
            hor = np.array([0.024, 0.034, 0.052]) * rng.uniform(0.5, 1.6)
            f = (np.exp(-z / 0.22))[..., None]
            sky = (zen * (1 - f) + hor * f).astype(np.float32)
        else:
            sky = bake_sky(day, self.az, air, dust, ozone)
            e = max(1e-9, float((luminance(sky) * AREA)[: H // 2].sum() / AREA[: H // 2].sum()))
            sky = sky * (0.45 / e)
            over = np.maximum(luminance(sky) - 0.45, 0.0)[..., None]  # soften the low-sun glare
            sky = sky * np.where(over > 0, (0.45 + over / (1 + over / 0.4)) / (0.45 + over), 1.0)
            sat = {"sunset": 1.2, "sunrise": 1.15, "dusk": 1.25, "golden hour": 1.15}.get(
                when, 1.1
            ) * rng.uniform(0.9, 1.2)
            ref = (
                sky[int(H * (0.5 - 5.0 / 180))][None] * 1.06
            )  # lift the murky last degrees above the horizon
            k = (np.exp(-((z / 0.06) ** 1.5)) * 0.92)[..., None]
            sky = sky * (1 - k) + ref * k
            lum = luminance(sky)[..., None]
            sky = np.maximum(lum + (sky - lum) * sat, 0.0)
            if when in ("sunset", "sunrise", "dusk", "golden hour"):
                name, glow, upper = GLOWS[rng.integers(len(GLOWS))]
                self.glow = np.array(glow) / luminance(np.array(glow))
                k = rng.uniform(0.55, 1.0) * (0.5 if when == "golden hour" else 1.0)
                self.facts["glow"] = name if k > 0.45 else "golden"
                side = 0.5 + 0.5 * (DIRS @ sun_vector(self.az, 0.0).astype(np.float32))
                lo = np.exp(-z / rng.uniform(0.16, 0.30))[..., None] * k * (0.5 + 0.5 * side**1.5)[..., None]
                hi = np.exp(-(((z - 0.30) / 0.30) ** 2))[..., None] * k * (0.55 + 0.45 * side)[..., None]
                sky = sky * (1 - 0.35 * min(k, 1.0) * smoothstep(0.15, 0.9, z))[..., None]
                sky = sky * (1 - 0.75 * hi) + 0.75 * hi * np.array(upper) * 0.62
                sky = sky * (1 - 0.92 * lo) + 0.92 * lo * np.array(glow) * (0.42 + 0.40 * side**2)[..., None]
            # aureole around the sun
            mu = np.clip(DIRS @ self.sun.astype(np.float32), -1, 1)
            sky = sky + (np.exp(-(1 - mu) / 0.003) * 0.9 + np.exp(-(1 - mu) / 0.03) * 0.16)[
                ..., None
            ] * self.lamp_tint() * float(np.clip((self.el + 0.06) * 12, 0, 1))
        if weather == "hazy" and not self.night:
            k = (0.15 + 0.6 * np.exp(-z / 0.25))[..., None]
            sky = (
                sky * (1 - k)
                + k * (0.5 * luminance(sky)[..., None] + 0.5 * sky) * np.array([1.12, 1.05, 0.95]) * 1.1
            )
        if tint is not None:
            sky = sky * np.asarray(tint)
        self.clear = sky.astype(np.float32)
        e_sky = math.pi * float((luminance(sky) * AREA * z)[: H // 2].sum() / (AREA * z)[: H // 2].sum())
        ratio = np.interp(math.degrees(self.el), [-1, 0.5, 3, 8, 20, 50], [0, 0.5, 1.3, 2.6, 4.0, 5.0])
        self.e_sun = e_sky * (1.6 if self.night else ratio)
        self.colour = np.array([0.75, 0.86, 1.0]) if self.night else self.lamp_tint()
        self.cover = 0.0
        self.sun_through = np.ones((H, W), np.float32)
        self.stars = None
        if self.night:
            band = None
            extra = np.zeros((H, W, 3), np.float32)
            if stars and weather in ("clear", "milky way"):
                if weather == "milky way":
                    mw, band = night_sky.milky_way(DIRS, rng, 0.17)
                    extra += mw
                extra += night_sky.stars(W, H, rng, int(rng.integers(1500, 3200)), 0.09, band)
            elif stars:
                extra += night_sky.stars(W, H, rng, int(rng.integers(500, 1200)), 0.08)
            if weather == "aurora":
                name, low, high = AURORAS[rng.integers(len(AURORAS))]
                self.facts["aurora"] = name
                for k in (rng.uniform(0.35, 0.7), rng.uniform(0.15, 0.45)):
                    extra += night_sky.aurora(DIRS, rng, (low, high), k)
            fade = smoothstep(0.0, 0.22, z)[..., None]
            self.clear = self.clear + extra * fade
            self.facts["moon"] = bool(
                weather not in ("milky way", "overcast", "stormy", "aurora") and rng.uniform() < 0.65
            )
            if not self.facts["moon"]:
                self.e_sun *= 0.25
        self.full = self.clear.copy()
        self._weather(rng, cam_h)
        self._haze()

    def lamp_tint(self):
        e = max(math.degrees(self.el), 0.4)
        m = 1.0 / (math.sin(math.radians(e)) + 0.50572 * (e + 6.07995) ** -1.6364)
        t = np.exp(-np.array([0.045, 0.105, 0.235]) * min(m, 16))
        return t / t.max()

    def _weather(self, rng, cam_h):
        z = np.maximum(DIRS[..., 2], 0.0)
        top = F_mean(self.clear, 0.5, 1.0)
        hor = F_mean(self.clear, 0.02, 0.25)
        es = self.e_sun * (
            0.5 * self.colour + 0.5 * self.colour.mean() if self.el < 0.15 and not self.night else self.colour
        )
        low = self.el < 0.15 and not self.night
        lit = sun_vector(self.az, max(self.el, 0.07))
        if getattr(self, "glow", None) is not None and self.el < 0.12:  # clouds catch the colour of the glow
            es = 0.4 * es + 0.6 * max(self.e_sun, 0.5) * self.glow * 0.85
        w = self.weather
        self.kind = w
        if w in ("partly cloudy", "scattered", "broken"):
            cov = {
                "scattered": rng.uniform(0.24, 0.36),
                "partly cloudy": rng.uniform(0.38, 0.52),
                "broken": rng.uniform(0.56, 0.7),
            }[w]
            rgb, tr, dep = clouds(
                DIRS,
                lit,
                es * (2.0 if low else 1.3),
                0.8 * top + 0.12 * hor,
                0.45 * hor + 0.25 * top,
                cov,
                rng,
                scale=rng.uniform(3500, 8000),
                thick=rng.uniform(450, 1100),
                base_h=rng.uniform(700, 1300),
                density=rng.uniform(0.7, 1.5),
                erode=rng.uniform(0.35, 0.75),
                flat=rng.uniform(0.5, 1.1),
            )
            f = np.exp(-dep / rng.uniform(18000, 34000))[..., None]
            a = (1 - tr)[..., None]
            self.full = self.clear * (1 - a) + rgb * f + a * (1 - f) * self.clear
            self.sun_through = np.clip((tr - 0.1) / 0.9, 0, 1) ** 2
            self.cover = float(((1 - tr) * AREA * (z > 0.12)).sum() / (AREA * (z > 0.12)).sum())
        if w in ("wispy", "partly cloudy", "scattered") and (w == "wispy" or rng.uniform() < 0.35):
            n = layer(
                DIRS, rng, 1.0, rng.uniform(0.6, 1.2), 7, 0.55, rng.uniform(2.5, 6), rng.uniform(0.5, 1.2)
            )
            m = layer(DIRS, rng, 1.0, 0.35, 3, 0.5)
            a = smoothstep(0.42, 0.95, n) * smoothstep(0.3, 0.7, m) * rng.uniform(0.5, 0.95)
            a = (a * smoothstep(0.0, 0.12, z))[..., None]
            mu = np.clip(DIRS @ lit.astype(np.float32), -1, 1)[..., None]
            c = es * (0.16 + 0.25 * np.maximum(mu, 0) ** 8) + 0.6 * top + 0.3 * hor
            if w == "wispy":
                self.full = self.clear * (1 - a) + a * c
            else:
                self.full = self.full * (1 - a * 0.5) + 0.5 * a * c
            self.sun_through = self.sun_through * (1 - 0.6 * a[..., 0])
            self.cover = max(self.cover, float((a[..., 0] * AREA).sum() / AREA[: H // 2].sum()))
        if w in ("overcast", "stormy"):
            n = layer(DIRS, rng, 1.0, rng.uniform(0.7, 1.4), 7, 0.5, 1.0, rng.uniform(0.6, 1.4))
            n2 = layer(DIRS, rng, 1.0, rng.uniform(0.25, 0.5), 4, 0.5, 1.0, 0.8)
            mean = 0.5 * (top.mean() + hor.mean())
            grey = (0.35 * (0.5 * top + 0.5 * hor) / max(mean, 1e-6) + 0.65) * mean * 1.4
            if w == "stormy":
                con, grey = 0.95, grey * np.array([0.86, 0.95, 1.06]) * 0.8
            else:
                con = rng.uniform(0.35, 0.8)
            mu = np.clip(DIRS @ lit.astype(np.float32), -1, 1)
            base = (1 + 2 * z) / 3 * 1.35 if w == "overcast" else 0.9 + 0.5 * np.exp(-z / 0.09)
            val = (
                base
                * np.clip(1 + con * ((n - 0.5) * 1.6 + (n2 - 0.5) * 1.3), 0.12, 3)
                * (1 + 0.5 * np.maximum(mu, 0) ** 6)
            )
            f = np.exp(-z / 0.05)
            val = val * (1 - f) + f * (0.8 if w == "overcast" else 1.25)
            c = val[..., None] * grey
            if self.el < 0.2 and not self.night:  # low sun colours the cloud base
                g = (np.exp(-z / 0.2) * (0.3 + 0.7 * np.maximum(mu, 0)))[..., None]
                c = c * (1 - 0.5 * g) + 0.5 * g * self.clear * 1.2
            self.full = c.astype(np.float32)
            self.e_sun = 0.0
            self.sun_through = np.zeros((H, W), np.float32)
            self.cover = 1.0
        if w == "foggy":
            mean = F_mean(self.clear, 0.0, 1.0)
            grey = 0.4 * mean + 0.6 * mean.mean()
            mu = np.clip(DIRS @ lit.astype(np.float32), -1, 1)
            v = (0.85 + 0.35 * z + 0.7 * np.exp(-(1 - mu) / 0.08) + 0.25 * np.maximum(mu, 0))[..., None]
            a = (0.72 + 0.28 * np.exp(-z / 0.35))[..., None]
            self.full = (self.clear * (1 - a) + a * v * grey * 1.15).astype(np.float32)
            self.e_sun *= 0.12
            self.sun_through = np.full((H, W), 0.004, np.float32)
            self.cover = 0.6
        self.full = self.full.astype(np.float32)

    def _haze(self):
        """Low-frequency horizon colour per azimuth, for aerial perspective."""
        src = (
            self.full
            if self.weather in ("overcast", "stormy", "foggy")
            else 0.6 * self.clear + 0.4 * self.full
        )
        row = src[int(H * 0.5 - 14) : int(H * 0.5 - 1)].mean(0)
        k = np.fft.rfft(row, axis=0)
        k[7:] = 0
        row = np.maximum(np.fft.irfft(k, W, axis=0), row.min(0))
        self.horizon = row[::8][None].repeat(8, 0).astype(np.float32)

    def disc(self, visible_alpha):
        """Sun or moon disc with halo, times what geometry and cloud let through."""
        out = np.zeros((H, W, 3), np.float32)
        through = self.sun_through * (1 - visible_alpha)
        show = (self.facts.get("moon", False) if self.night else self.el > -0.004) and self.e_sun > 0
        self.visible = False
        if not show:
            return out
        rad = math.radians(1.0 if self.night else 0.75)
        c = np.arccos(np.clip(DIRS @ self.sun.astype(np.float32), -1, 1))
        m = np.clip((rad - c) / math.radians(0.2) + 0.5, 0, 1)
        omega = float((m * AREA).sum() * (2 * math.pi / W) * (math.pi / H))
        if self.night:
            v = (
                2.2
                * (
                    0.75
                    + 0.25
                    * noise2((DIRS[..., 1] - self.sun[1]) * 60, (DIRS[..., 2] - self.sun[2]) * 60, 5, 4)
                )
                if m.any()
                else 0
            )
            lum = v * m + 0.10 * np.exp(-c / 0.05) + 0.03 * np.exp(-c / 0.2)
            out += lum[..., None] * np.array([1.0, 0.98, 0.92])
        else:
            out += (m * self.e_sun / max(omega, 1e-6))[..., None] * self.colour
        vis = float((through * m * AREA).sum() / max((m * AREA).sum(), 1e-9))
        self.visible = vis > 0.15
        return out * through[..., None]

    def light(self, scene_ground=(0.25, 0.22, 0.18), gain=1.0):
        """World lighting (small panorama) and the sun lamp."""
        env = self.full.reshape(H // 4, 4, W // 4, 4, 3).mean((1, 3)) if self.night else self.full[::2, ::2]
        env = env.copy()
        up = F_mean(self.full, 0.0, 1.0)
        e = math.pi * up.mean() * 0.6 + self.e_sun * max(self.sun[2], 0)
        self.ambient = (np.asarray(scene_ground) * 0.5 + 0.09) * e / math.pi * 1.05
        env[env.shape[0] // 2 :] = np.asarray(scene_ground) * e / math.pi * 1.05
        nt = bpy.context.scene.world.node_tree
        tex = nt.nodes.new("ShaderNodeTexEnvironment")
        tex.image = image_from(env, "env")
        nt.links.new(tex.outputs[0], nt.nodes["Background"].inputs[0])
        nt.nodes["Background"].inputs[1].default_value = gain
        bpy.context.scene.world.cycles.sampling_method = "MANUAL"
        bpy.context.scene.world.cycles.sample_map_resolution = 256
        through = 1.0
        if self.el > -0.01 and self.e_sun > 0:
            u, v = (
                int((0.5 - self.az / (2 * math.pi)) % 1 * W),
                int(np.clip((0.5 - self.el / math.pi) * H, 0, H - 1)),
            )
            through = 0.12 + 0.88 * float(
                self.sun_through[max(v - 2, 0) : v + 3, max(u - 2, 0) : u + 3].mean()
            )
            if self.weather == "foggy":
                through = 1.0
            add_sun(self.sun, self.colour, self.e_sun * through)

    def fog(self, length, maximum=0.97):
        if self.weather == "foggy":
            length = min(length, self.fog_length)
        length *= {"hazy": 0.35, "stormy": 0.6, "overcast": 0.7}.get(self.weather, 1.0)
        f = Fog(self.horizon, length, maximum)
        f.ambient = self.ambient
        return f


def F_mean(sky, z0, z1):
    m = ((DIRS[..., 2] >= z0) & (DIRS[..., 2] <= z1)) * AREA
    return (sky * m[..., None]).sum((0, 1)) / m.sum()
