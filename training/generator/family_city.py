# SPDX-License-Identifier: CC0-1.0
"""Scene family: city."""

import math

import numpy as np

from training.generator.boxes import Boxes
from training.generator.family_common import Shot, make_sky, pick, start
from training.generator.materials import mat_colour, mat_emit, material
from training.generator.plants import broadleaf
from training.generator.stage import DIRS, instances, point_light


def mat_facade(fog, lit, strength, glassy, sky_reflect=True):
    def build(n):
        uv = n.node("ShaderNodeUVMap", uv_map="UV").outputs[0]
        fr = n.node("ShaderNodeVectorMath", operation="FRACTION", in0=uv).outputs[0]
        fl = n.node("ShaderNodeVectorMath", operation="FLOOR", in0=uv).outputs[0]
        sp = n.node("ShaderNodeSeparateXYZ", in0=fr)
        mx, my = (0.07, 0.10) if glassy else (0.24, 0.24)

        def inside(v, m):
            return n.math("MULTIPLY", n.math("GREATER_THAN", v, m), n.math("LESS_THAN", v, 1 - m))

        mask = n.math("MULTIPLY", inside(sp.outputs[0], mx), inside(sp.outputs[1], my))
        wn = n.node("ShaderNodeTexWhiteNoise", noise_dimensions="2D")
        n.put(wn.inputs["Vector"], fl)
        wall = n("ShaderNodeBsdfDiffuse", s_Color=n.attr("Col"))
        glass = n(
            "ShaderNodeMixShader",
            in0=0.55,
            in1=n("ShaderNodeBsdfDiffuse", s_Color=(0.03, 0.04, 0.05)),
            in2=n("ShaderNodeBsdfGlossy", s_Roughness=0.03),
        )
        if lit > 0:
            on = n.math("LESS_THAN", wn.outputs[0], lit)
            sc = n.node("ShaderNodeSeparateColor")
            n.put(sc.inputs[0], wn.outputs[1])
            col = n.mix(sc.outputs[1], (1.0, 0.55, 0.20), (1.0, 0.86, 0.62))
            col = n.mix(n.math("GREATER_THAN", sc.outputs[2], 0.86), col, (0.62, 0.80, 1.0))
            st = n.math("MULTIPLY", n.math("MULTIPLY", on, strength), n.math("ADD", 0.25, sc.outputs[0]))
            glass = n(
                "ShaderNodeAddShader", in0=glass, in1=n("ShaderNodeEmission", s_Color=col, s_Strength=st)
            )
        return n("ShaderNodeMixShader", in0=mask, in1=wall, in2=glass)

    return material("facade", build, fog)


def city(rng, threads):
    sky = make_sky(
        rng,
        days={"night": 9, "dusk": 3.5},
        nights={"milky way": 0, "overcast": 1.5, "clear": 1.5},
        stars=rng.uniform() < 0.3,
    )
    dark = sky.when in ("night", "dusk")
    kind = pick(rng, {"downtown": 2.2, "old town": 1.2, "suburb": 0.9})
    cam = rng.uniform(1.7, 3.0) if rng.uniform() < 0.75 else rng.uniform(14, 60)
    if kind == "suburb":
        cam = rng.uniform(1.7, 4)
    if sky.night:
        sky.full = sky.full + (np.exp(-np.maximum(DIRS[..., 2], 0) / 0.16) * rng.uniform(0.03, 0.12))[
            ..., None
        ] * np.array([1.0, 0.62, 0.34])
        sky.full = sky.full.astype(np.float32)
        sky._haze()
    roof = cam > 10
    start(sky, rng, (0.12, 0.12, 0.12), cam, 16 if dark else 12, threads)
    fog = sky.fog(rng.uniform(2500, 7000))
    bx, by = rng.uniform(45, 90), rng.uniform(45, 90)
    road = rng.uniform(14, 24) if kind != "old town" else rng.uniform(9, 13)
    turn = rng.uniform(-math.pi, math.pi)
    ox = rng.uniform(-0.5, 0.5) * bx
    oy = 0.24 * road
    pal = {
        "downtown": [
            (0.30, 0.31, 0.33),
            (0.42, 0.40, 0.37),
            (0.20, 0.23, 0.27),
            (0.50, 0.48, 0.44),
            (0.13, 0.15, 0.18),
        ],
        "old town": [
            (0.52, 0.36, 0.22),
            (0.45, 0.20, 0.13),
            (0.60, 0.52, 0.38),
            (0.50, 0.28, 0.20),
            (0.62, 0.58, 0.50),
        ],
        "suburb": [
            (0.62, 0.58, 0.50),
            (0.40, 0.22, 0.17),
            (0.55, 0.56, 0.56),
            (0.30, 0.36, 0.42),
            (0.58, 0.50, 0.38),
        ],
    }[kind]
    build_, glass_, slabs, roofs = Boxes(), Boxes(), Boxes(), Boxes()
    R = 9 if kind != "suburb" else 6
    for i in range(-R, R + 1):
        for j in range(-R, R + 1):
            x0, y0 = i * (bx + road) + ox + (bx + road) / 2, j * (by + road) + oy + (by + road) / 2
            dist = math.hypot(x0, y0)
            grass = kind == "suburb" or rng.uniform() < 0.06
            slabs.add(
                (x0, y0, 0.08), (bx, by, 0.16), (0.30, 0.29, 0.28) if not grass else (0.08, 0.13, 0.035)
            )
            if grass and kind != "suburb":
                continue
            nx, ny = (int(rng.integers(2, 4)), int(rng.integers(2, 4))) if kind != "suburb" else (3, 3)
            for a in range(nx):
                for b in range(ny):
                    if kind == "suburb" and (a == 1 or b == 1) and rng.uniform() < 0.6:
                        continue
                    w, d = bx / nx, by / ny
                    m = {"downtown": 2.2, "old town": 1.2, "suburb": 4.0}[kind]
                    cx, cy = x0 - bx / 2 + (a + 0.5) * w, y0 - by / 2 + (b + 0.5) * d
                    if math.hypot(cx, cy) < 9:
                        continue
                    h = {
                        "downtown": 14
                        + 65 * rng.uniform() ** 2
                        + (60 * rng.uniform() ** 3 if dist < 500 else 0),
                        "old town": rng.uniform(8, 19),
                        "suburb": rng.uniform(4.5, 7),
                    }[kind]
                    c = np.array(pal[rng.integers(len(pal))]) * rng.uniform(0.75, 1.15)
                    tgt = glass_ if kind == "downtown" and rng.uniform() < 0.4 else build_
                    win = (rng.uniform(1.8, 3.6), rng.uniform(2.9, 3.8), float(rng.integers(1, 900)))
                    s = (max(w - m - rng.uniform(0, 3), 4), max(d - m - rng.uniform(0, 3), 4), h)
                    tgt.add((cx, cy, h / 2 + 0.16), s, c, 0.0, win)
                    if kind != "downtown":
                        roofs.add(
                            (cx, cy, h + 0.5),
                            (s[0] + 0.7, s[1] + 0.7, 0.7),
                            np.array(
                                [(0.30, 0.11, 0.07), (0.12, 0.11, 0.11), (0.24, 0.14, 0.09)][rng.integers(3)]
                            ),
                        )
                    elif rng.uniform() < 0.7:
                        roofs.add(
                            (cx + rng.uniform(-3, 3), cy + rng.uniform(-3, 3), h + 1.6),
                            (s[0] * 0.35, s[1] * 0.35, 3.0),
                            c * 0.8,
                        )
                        if rng.uniform() < 0.35:
                            tgt.add(
                                (cx, cy, h + 0.2 + h * 0.12), (s[0] * 0.6, s[1] * 0.6, h * 0.24), c, 0.0, win
                            )
    lit = 0.0 if not dark else rng.uniform(0.3, 0.65)
    power = 0.0 if not dark else (0.65 if sky.night else 1.1) * rng.uniform(0.7, 1.3)
    obs = [
        build_.build("buildings", mat_facade(fog, lit, power, False), True),
        glass_.build("towers", mat_facade(fog, lit, power, True), True),
        slabs.build("blocks", mat_colour("slab", fog, detail=(2.0, 0.4))),
        roofs.build("roofs", mat_colour("roof", fog)),
    ]
    wet = rng.uniform() < (0.55 if sky.weather in ("stormy", "overcast") else 0.25 if dark else 0.03)
    g = Boxes()
    g.add((0, 0, -0.5), (16000, 16000, 1.0), (0.055, 0.055, 0.058))
    obs.append(
        g.build(
            "asphalt",
            mat_colour(
                "asphalt",
                fog,
                detail=(1.5, 0.7, 0.15),
                gloss=0.16 if wet else 0.04,
                rough=0.24 if wet else 0.35,
            ),
        )
    )
    mk, cars, lamps, poles, tail = Boxes(), Boxes(), Boxes(), Boxes(), Boxes()
    px, py = bx + road, by + road
    for i in range(-3, 4):
        for s in np.arange(-260, 260, 7.0):
            rx, ry = i * px + ox, i * py + oy
            if abs(((s - oy) + py / 2) % py - py / 2) > road / 2 + 1:
                mk.add((rx, s, 0.012), (0.16, 3.0, 0.01), (0.72, 0.70, 0.62))
            if abs(((s - ox) + px / 2) % px - px / 2) > road / 2 + 1:
                mk.add((s, ry, 0.012), (3.0, 0.16, 0.01), (0.72, 0.70, 0.62))
    nl = []
    for i in range(-2, 3):
        for s in np.arange(-200, 200, 26.0):
            for sd in (-1, 1):
                for ax in (0, 1):
                    base = (
                        (i * px + ox + sd * (road / 2 + 0.6), s)
                        if ax == 0
                        else (s, i * py + oy + sd * (road / 2 + 0.6))
                    )
                    q = (
                        ((base[1] - oy + py / 2) % py - py / 2)
                        if ax == 0
                        else ((base[0] - ox + px / 2) % px - px / 2)
                    )
                    if abs(q) < road / 2 + 1 or math.hypot(*base) < 3.5:
                        continue
                    poles.add((base[0], base[1], 3.2), (0.12, 0.12, 6.4), (0.08, 0.08, 0.09))
                    lamps.add((base[0], base[1], 6.45), (0.55, 0.55, 0.22), (1, 1, 1))
                    nl.append((math.hypot(*base), base))
    carc = [
        (0.5, 0.03, 0.03),
        (0.6, 0.6, 0.62),
        (0.03, 0.03, 0.035),
        (0.05, 0.10, 0.3),
        (0.75, 0.75, 0.73),
        (0.5, 0.35, 0.05),
    ]
    for i in range(-2, 3):
        for s in np.arange(-180, 180, 7.5):
            for sd in (-1, 1):
                for ax in (0, 1):
                    if rng.uniform() > 0.38:
                        continue
                    off = sd * (road / 2 - 1.5)
                    p = (i * px + ox + off, s) if ax == 0 else (s, i * py + oy + off)
                    q = (
                        ((p[1] - oy + py / 2) % py - py / 2)
                        if ax == 0
                        else ((p[0] - ox + px / 2) % px - px / 2)
                    )
                    if abs(q) < road / 2 + 4 or math.hypot(*p) < 4:
                        continue
                    t = math.pi / 2 if ax == 0 else 0.0
                    c = np.array(carc[rng.integers(6)])
                    cars.add((p[0], p[1], 0.62), (4.3, 1.75, 0.62), c, t)
                    cars.add((p[0], p[1], 1.15), (2.3, 1.55, 0.5), (0.03, 0.035, 0.04), t)
                    if dark and rng.uniform() < 0.5:
                        d = np.array([math.cos(t), math.sin(t)])
                        for e, cc in ((2.16, (1, 0.9, 0.7)), (-2.16, (1, 0.05, 0.02))):
                            tail.add((p[0] + d[0] * e, p[1] + d[1] * e, 0.65), (0.1, 1.4, 0.16), cc, t)
    obs += [
        mk.build("marks", mat_colour("marks", fog)),
        poles.build("poles", mat_colour("poles", fog)),
        cars.build("cars", mat_colour("cars", fog, gloss=0.25, rough=0.1)),
    ]
    warm = pick(rng, {"amber": 1, "white": 1, "cool": 0.5})
    lc = {"amber": (1.0, 0.55, 0.2), "white": (1.0, 0.85, 0.65), "cool": (0.75, 0.88, 1.0)}[warm]
    obs.append(lamps.build("lamps", mat_emit("lamp", lc, 14.0) if dark else mat_colour("lamp", fog)))
    if tail.v:
        obs.append(
            tail.build(
                "carlights",
                material("carl", lambda n: n("ShaderNodeEmission", s_Color=n.attr("Col"), s_Strength=4.0)),
            )
        )
    c, s = math.cos(turn), math.sin(turn)
    if dark:
        nl.sort(key=lambda v: v[0])
        for _, b in nl[: 16 if not roof else 26]:
            p = (b[0] * c - b[1] * s, b[0] * s + b[1] * c, 6.1)
            point_light(p, lc, 620, 0.25)
    m = mat_colour("plants", fog, vary=0.2)
    pts = []
    for i in range(-3, 4):
        for q in np.arange(-200, 200, 13.0):
            if rng.uniform() < (0.35 if kind != "suburb" else 0.6):
                x = i * px + ox + (road / 2 + 2.2) * rng.choice([-1, 1])
                if abs((q - oy + py / 2) % py - py / 2) > road / 2 + 2 and math.hypot(x, q) > 5:
                    pts.append((x * c - q * s, x * s + q * c, 0.1))
    trees = len(pts) > 5 and rng.uniform() < 0.7
    if trees:
        instances(
            pts,
            rng.uniform(4.5, 8, len(pts)),
            rng.uniform(0, 6.28, len(pts)),
            broadleaf(rng, m, (0.05, 0.095, 0.025)),
        )
    for o in obs:
        if o is not None:
            o.rotation_euler[2] = turn
    return Shot(
        sky,
        facts={
            "kind": kind,
            "lit": dark,
            "wet": wet,
            "trees": trees,
            "high": roof,
            "lamps": warm if dark else None,
            "ground": "wet asphalt" if wet else "asphalt",
            "camera_height": cam,
        },
        samples=7 if dark else 5,
    )
