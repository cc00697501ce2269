"""Scene family: interior."""

import math

import numpy as np

from training.generator.boxes import Boxes, wall_with_holes
from training.generator.family_common import Shot, pick, start
from training.generator.materials import mat_colour, mat_emit, material
from training.generator.plants import broadleaf
from training.generator.sky import F_mean, Sky
from training.generator.stage import area_light, point_light

# -------------------------------------------------------------------- interiors
WALLS = {
    "white": (0.78, 0.77, 0.75),
    "cream": (0.74, 0.67, 0.54),
    "grey": (0.46, 0.47, 0.48),
    "sage green": (0.38, 0.46, 0.36),
    "pale blue": (0.46, 0.56, 0.66),
    "terracotta": (0.55, 0.27, 0.18),
    "navy": (0.06, 0.09, 0.18),
    "blush pink": (0.70, 0.50, 0.48),
    "mustard": (0.62, 0.44, 0.12),
}


FABRICS = {
    "grey": (0.25, 0.25, 0.26),
    "blue": (0.06, 0.13, 0.30),
    "green": (0.07, 0.17, 0.09),
    "red": (0.38, 0.05, 0.05),
    "beige": (0.52, 0.43, 0.31),
    "brown leather": (0.20, 0.09, 0.045),
    "mustard": (0.55, 0.35, 0.05),
    "black": (0.03, 0.03, 0.033),
}


WOODS = {
    "oak": (0.36, 0.21, 0.10),
    "walnut": (0.14, 0.075, 0.04),
    "pine": (0.50, 0.33, 0.17),
    "ash": (0.48, 0.40, 0.30),
}


def interior(rng, threads):
    night = rng.uniform() < 0.3
    sky = Sky(
        rng,
        "night"
        if night
        else pick(rng, {"morning": 2, "afternoon": 2, "golden hour": 2, "midday": 1, "sunset": 1}),
        "clear" if night else pick(rng, {"clear": 2, "partly cloudy": 2, "overcast": 1}),
        stars=False,
    )
    room = pick(
        rng, {"living room": 2.2, "bedroom": 1.4, "office": 1.2, "empty room": 1, "loft": 1.2, "gallery": 0.9}
    )
    sx, sy = rng.uniform(5, 9), rng.uniform(4.5, 8)
    sz = rng.uniform(2.6, 3.2)
    if room in ("loft", "gallery"):
        sx, sy, sz = sx * 1.5, sy * 1.4, rng.uniform(4, 5.5)
    wall = (
        "white"
        if room == "gallery" and rng.uniform() < 0.7
        else pick(rng, {k: (3 if k in ("white", "cream") else 1) for k in WALLS})
    )
    brick = room == "loft" and rng.uniform() < 0.6
    wood = pick(rng, dict.fromkeys(WOODS, 1))
    floor = pick(
        rng, {"wood": 3, "tiles": 1, "concrete": 0.8 if room not in ("loft", "gallery") else 3, "carpet": 0.7}
    )
    fabric = pick(rng, dict.fromkeys(FABRICS, 1))
    cam = rng.uniform(1.3, 1.7)
    s = start(sky, rng, (0.10, 0.13, 0.05), cam, 12, threads)
    s.cycles.max_bounces = 3
    s.cycles.diffuse_bounces = 3
    s.cycles.sample_clamp_indirect = 4.0
    s.cycles.use_adaptive_sampling = True
    s.cycles.adaptive_threshold = 0.1
    s.cycles.adaptive_min_samples = 4
    cx, cy = rng.uniform(-0.2, 0.2) * sx, rng.uniform(-0.2, 0.2) * sy
    x0, x1, y0, y1 = cx - sx / 2, cx + sx / 2, cy - sy / 2, cy + sy / 2
    turn = rng.uniform(-math.pi, math.pi)
    sides = list(rng.permutation(4))[: int(rng.integers(1, 3))]
    walls, frames, objs = Boxes(), Boxes(), Boxes()
    wc = WALLS[wall]
    n_win = 0
    portals = []
    for k in range(4):
        lo, hi = (x0, x1) if k % 2 == 0 else (y0, y1)
        fixed = (y0, x1, y1, x0)[k]
        holes = []
        if k in sides:
            n = int(rng.integers(1, 4))
            wid = (hi - lo) / n * rng.uniform(0.45, 0.75)
            bot = 0.15 if rng.uniform() < 0.3 else rng.uniform(0.7, 1.0)
            topz = min(sz - 0.25, bot + rng.uniform(1.2, 2.6 if sz > 3.5 else 1.8))
            for i in range(n):
                c = lo + (hi - lo) * (i + 0.5) / n
                holes.append((c - wid / 2, c + wid / 2, bot, topz))
                n_win += 1
        for a, b, c, d in wall_with_holes(lo, hi, sz, holes):
            th = 0.22
            sg = (-1, 1, 1, -1)[k]
            if k % 2 == 0:
                walls.add(((a + b) / 2, fixed + sg * th / 2, (c + d) / 2), (b - a, th, d - c), wc)
            else:
                walls.add((fixed + sg * th / 2, (a + b) / 2, (c + d) / 2), (th, b - a, d - c), wc)
        for u0, u1, v0, v1 in holes:
            fr = (0.75, 0.74, 0.72) if room != "loft" else (0.03, 0.03, 0.03)
            mid = (u0 + u1) / 2
            bars = [
                (u0, u0 + 0.05, v0, v1),
                (u1 - 0.05, u1, v0, v1),
                (u0, u1, v0, v0 + 0.05),
                (u0, u1, v1 - 0.05, v1),
                (mid - 0.02, mid + 0.02, v0, v1),
            ]
            bars.append((u0, u1, (v0 * 0.35 + v1 * 0.65) - 0.02, (v0 * 0.35 + v1 * 0.65) + 0.02))
            for a, b, c, d in bars:
                if k % 2 == 0:
                    frames.add(((a + b) / 2, fixed, (c + d) / 2), (b - a, 0.07, d - c), fr)
                else:
                    frames.add((fixed, (a + b) / 2, (c + d) / 2), (0.07, b - a, d - c), fr)
            portals.append((k, (u0 + u1) / 2, (v0 + v1) / 2, u1 - u0, v1 - v0, fixed))
    ob = []
    if brick:

        def bm(n):
            tx = n.node("ShaderNodeTexCoord").outputs["Object"]
            sp = n.node("ShaderNodeSeparateXYZ", in0=tx)
            cv = n.node(
                "ShaderNodeCombineXYZ", in0=n.math("ADD", sp.outputs[0], sp.outputs[1]), in1=sp.outputs[2]
            )
            b = n.node("ShaderNodeTexBrick")
            n.put(b.inputs["Vector"], cv.outputs[0])
            for i, v in (
                ("Color1", (0.36, 0.13, 0.08, 1)),
                ("Color2", (0.24, 0.085, 0.055, 1)),
                ("Mortar", (0.38, 0.35, 0.31, 1)),
            ):
                b.inputs[i].default_value = v
            b.inputs["Scale"].default_value = 4.0
            return n("ShaderNodeBsdfDiffuse", s_Color=b.outputs[0])

        wm = material("brick", bm)
        wall = "brick"
    else:
        wm = mat_colour("wall", None)
    ob.append(walls.build("walls", wm))
    ob.append(frames.build("frames", mat_colour("frames", None)))
    ce = Boxes()
    ce.add(
        (cx, cy, sz + 0.1),
        (sx + 0.4, sy + 0.4, 0.2),
        (0.78, 0.78, 0.77) if room != "loft" else (0.35, 0.33, 0.31),
    )
    for sd in (0, 1):
        ce.add((cx, (y0, y1)[sd], 0.06), (sx, 0.03, 0.12), (0.7, 0.7, 0.68))
        ce.add(((x0, x1)[sd], cy, 0.06), (0.03, sy, 0.12), (0.7, 0.7, 0.68))
    if room == "loft":
        for i in range(5):
            ce.add((x0 + (i + 0.5) * sx / 5, cy, sz - 0.12), (0.2, sy, 0.24), (0.12, 0.08, 0.05))
    ob.append(ce.build("ceiling", mat_colour("ceil", None)))
    wcol = np.array(WOODS[wood])

    def fm(n):
        tx = n.node("ShaderNodeTexCoord").outputs["Object"]
        if floor in ("wood", "tiles"):
            b = n.node("ShaderNodeTexBrick")
            n.put(b.inputs["Vector"], tx)
            b.offset = 0.37 if floor == "wood" else 0.0
            a, c = (
                (wcol, wcol * 0.72)
                if floor == "wood"
                else (np.array([0.62, 0.60, 0.56]), np.array([0.55, 0.53, 0.50]))
            )
            for i, v in (("Color1", a), ("Color2", c), ("Mortar", a * 0.3)):
                b.inputs[i].default_value = [*v, 1]
            b.inputs["Scale"].default_value = 1.0
            b.inputs["Brick Width"].default_value = 1.4 if floor == "wood" else 0.5
            b.inputs["Row Height"].default_value = 0.13 if floor == "wood" else 0.5
            b.inputs["Mortar Size"].default_value = 0.006
            col = b.outputs[0]
        else:
            t = n.node("ShaderNodeTexNoise")
            n.put(t.inputs["Vector"], tx)
            t.inputs["Scale"].default_value = 1.5 if floor == "concrete" else 40
            t.inputs["Detail"].default_value = 6
            base = np.array((0.32, 0.32, 0.31) if floor == "concrete" else FABRICS["beige"])
            col = n.mix(t.outputs[0], base * 0.75, base * 1.2)
        g = {"wood": 0.12, "tiles": 0.18, "concrete": 0.08, "carpet": 0.0}[floor]
        return n(
            "ShaderNodeMixShader",
            in0=g,
            in1=n("ShaderNodeBsdfDiffuse", s_Color=col),
            in2=n("ShaderNodeBsdfGlossy", s_Roughness=0.12),
        )

    fl = Boxes()
    fl.add((cx, cy, -0.05), (sx + 0.4, sy + 0.4, 0.1), (0.5, 0.5, 0.5))
    ob.append(fl.build("floor", material("floor", fm)))
    lawn = Boxes()
    lawn.add((0, 0, -1.2), (400, 400, 0.2), (0.025, 0.045, 0.014))  # kept dim: the eye is indoors
    ob.append(lawn.build("lawn", mat_colour("lawn", None)))
    fc = np.array(FABRICS[fabric])
    items = []
    list(range(4))

    def place(k, depth, along=0.5):
        """Point on the room edge k, `depth` inside the wall, and the facing turn."""
        if k % 2 == 0:
            return np.array([x0 + sx * along, (y0 + depth, 0, y1 - depth)[k], 0.0]), (0.0, 0, math.pi)[k]
        return np.array([(0, x1 - depth, 0, x0 + depth)[k], y0 + sy * along, 0.0]), (
            0,
            math.pi / 2,
            0,
            -math.pi / 2,
        )[k]

    def put(p, t, off, size, col):
        c, s_ = math.cos(t), math.sin(t)
        objs.add((p[0] + off[0] * c - off[1] * s_, p[1] + off[0] * s_ + off[1] * c, off[2]), size, col, t)

    def clear_of_camera(p, r):
        return math.hypot(p[0], p[1]) > r

    order = list(rng.permutation(4))
    glow = []
    if room in ("living room", "loft"):
        p, t = place(order[0], 0.6, rng.uniform(0.35, 0.65))
        if clear_of_camera(p, 1.6):
            items.append(fabric + " sofa")
            put(p, t, (0, 0, 0.22), (2.1, 0.85, 0.38), fc)
            put(p, t, (0, -0.36, 0.58), (2.1, 0.2, 0.5), fc * 0.95)
            for e in (-1, 1):
                put(p, t, (e * 1.0, 0, 0.4), (0.2, 0.85, 0.5), fc * 0.9)
                put(p, t, (e * 0.5, 0.02, 0.46), (0.95, 0.75, 0.14), fc * 1.1)
                put(
                    p,
                    t,
                    (e * 0.7, -0.2, 0.68),
                    (0.4, 0.14, 0.36),
                    np.array(list(FABRICS.values())[rng.integers(8)]) * 1.2,
                )
            q = p + np.array([-math.sin(t), math.cos(t), 0]) * 1.15
            if clear_of_camera(q, 0.9):
                items.append("coffee table")
                put(q, t, (0, 0, 0.40), (1.1, 0.6, 0.05), wcol)
                for a in (-1, 1):
                    for b in (-1, 1):
                        put(q, t, (a * 0.48, b * 0.24, 0.19), (0.05, 0.05, 0.38), wcol * 0.7)
    if room == "bedroom":
        p, t = place(order[0], 1.05, 0.5)
        items.append("bed")
        if clear_of_camera(p, 1.0):
            put(p, t, (0, 0, 0.2), (1.7, 2.05, 0.3), wcol)
            put(p, t, (0, 0, 0.45), (1.6, 1.95, 0.24), (0.75, 0.74, 0.72))
            put(p, t, (0, 0.35, 0.54), (1.68, 1.25, 0.1), fc)
            put(p, t, (0, -0.99, 0.65), (1.75, 0.08, 0.9), wcol * 0.8)
            for e in (-1, 1):
                put(p, t, (e * 0.42, -0.72, 0.64), (0.6, 0.4, 0.16), (0.8, 0.8, 0.78))
                put(p, t, (e * 1.15, -0.8, 0.25), (0.42, 0.4, 0.5), wcol * 0.85)
                glow.append((p, t, (e * 1.15, -0.8, 0.72), 0.2))
    if room in ("office", "bedroom"):
        p, t = place(order[1], 0.45, rng.uniform(0.3, 0.7))
        if clear_of_camera(p, 1.3):
            items.append("desk")
            put(p, t, (0, 0, 0.73), (1.5, 0.7, 0.04), wcol)
            for a in (-1, 1):
                put(p, t, (a * 0.7, 0, 0.36), (0.05, 0.62, 0.7), wcol * 0.7)
            put(p, t, (0, -0.18, 1.02), (0.62, 0.03, 0.36), (0.02, 0.02, 0.022))
            put(p, t, (0, 0.75, 0.46), (0.5, 0.5, 0.09), fc)
            put(p, t, (0, 1.0, 0.8), (0.5, 0.08, 0.6), fc)
            put(p, t, (0, 0.75, 0.22), (0.08, 0.08, 0.42), (0.05, 0.05, 0.05))
    if room not in ("empty room", "gallery"):
        p, t = place(order[2], 0.2, rng.uniform(0.2, 0.8))
        if order[2] not in sides and clear_of_camera(p, 1.2):
            items.append("bookshelf")
            hh = min(2.1, sz - 0.4)
            for e in (-1, 1):
                put(p, t, (e * 0.7, 0, hh / 2), (0.04, 0.32, hh), wcol)
            for i in range(6):
                z = 0.05 + i * (hh - 0.08) / 5
                put(p, t, (0, 0, z), (1.4, 0.32, 0.035), wcol)
                u = -0.62
                while i < 5 and u < 0.55:
                    wb = rng.uniform(0.03, 0.07)
                    hb = rng.uniform(0.18, 0.31)
                    if rng.uniform() < 0.85:
                        put(
                            p, t, (u, 0.0, z + hb / 2 + 0.02), (wb, 0.2, hb), rng.uniform(0.04, 0.5, 3) ** 1.2
                        )
                    u += wb + 0.008
        rc = np.array(list(FABRICS.values())[rng.integers(8)])
        if floor != "carpet" and rng.uniform() < 0.75:
            items.append("rug")
            objs.add((cx, cy, 0.012), (min(3, sx * 0.5), min(2.2, sy * 0.45), 0.02), rc)
            objs.add(
                (cx, cy, 0.014), (min(3, sx * 0.5) * 0.85, min(2.2, sy * 0.45) * 0.8, 0.022), rc * 0.6 + 0.15
            )
        p, t = place(order[3], 0.45, rng.choice([0.1, 0.9]))
        if clear_of_camera(p, 1.2):
            items.append("floor lamp")
            put(p, t, (0, 0, 0.75), (0.03, 0.03, 1.5), (0.05, 0.05, 0.05))
            put(p, t, (0, 0, 0.015), (0.3, 0.3, 0.03), (0.05, 0.05, 0.05))
            glow.append((p, t, (0, 0, 1.6), 0.34))
        if rng.uniform() < 0.6:
            p, t = place(order[0], 0.45, rng.choice([0.08, 0.92]))
            if clear_of_camera(p, 1.2):
                items.append("potted plant")
                put(p, t, (0, 0, 0.2), (0.34, 0.34, 0.4), (0.45, 0.2, 0.12))
                m = mat_colour("leafy", None)
                b = broadleaf(rng, m, (0.05, 0.12, 0.03), 0.4)
                c_, s_ = math.cos(turn), math.sin(turn)
                b.location, b.scale = (p[0] * c_ - p[1] * s_, p[0] * s_ + p[1] * c_, 0.25), (1.3, 1.3, 1.3)
    for k in range(4):
        if k in sides or brick:
            continue
        for i in range(int(rng.integers(0, 3)) + (2 if room == "gallery" else 0)):
            p, t = place(k, 0.02, (i + 1) / 5 + rng.uniform(-0.03, 0.03))
            w_, h_ = rng.uniform(0.5, 1.1), rng.uniform(0.5, 1.0)
            if room == "gallery":
                w_, h_ = w_ * 1.4, h_ * 1.5
            put(p, t, (0, 0.0, 1.65), (w_, 0.04, h_), (0.04, 0.035, 0.03))
            a, b = rng.uniform(0.03, 0.8, 3), rng.uniform(0.03, 0.8, 3)
            put(p, t, (0, 0.01, 1.65), (w_ - 0.08, 0.045, h_ - 0.08), a)
            for _ in range(4):
                put(
                    p,
                    t,
                    (rng.uniform(-0.3, 0.3) * w_, 0.014, 1.65 + rng.uniform(-0.3, 0.3) * h_),
                    (w_ * rng.uniform(0.1, 0.35), 0.045, h_ * rng.uniform(0.1, 0.35)),
                    b * rng.uniform(0.5, 1.3),
                )
            if "paintings" not in items:
                items.append("paintings")
    if room == "gallery":
        objs.add((cx + 0.22 * sx, cy, 0.23), (0.5, 1.8, 0.46), (0.25, 0.15, 0.09))
        items.append("bench")
    if objs.v:
        ob.append(objs.build("furniture", mat_colour("furn", None)))
    c, s_ = math.cos(turn), math.sin(turn)
    max(sky.e_sun, 1e-4) + math.pi * F_mean(sky.full, 0, 1).mean()
    lamp_on = night or rng.uniform() < 0.25
    warm = pick(rng, {"warm": 2, "neutral": 1}) if lamp_on else None
    lc = (1.0, 0.62, 0.30) if warm == "warm" else (1.0, 0.88, 0.74)
    if glow and lamp_on:
        sh = Boxes()
        for p, t, off, size in glow:
            put_c = (
                p[0] + off[0] * math.cos(t) - off[1] * math.sin(t),
                p[1] + off[0] * math.sin(t) + off[1] * math.cos(t),
                off[2],
            )
            sh.add(put_c, (size, size, size * 0.8), lc, t)
            w = (put_c[0] * c - put_c[1] * s_, put_c[0] * s_ + put_c[1] * c, put_c[2] + size * 0.75)
            point_light(w, lc, (26 if night else 8) * (1.5 if size > 0.3 else 0.7), 0.12)
        ob.append(sh.build("shades", mat_emit("shade", lc, 3.0 if night else 1.5)))
    elif glow:
        sh = Boxes()
        for p, t, off, size in glow:
            sh.add(
                (
                    p[0] + off[0] * math.cos(t) - off[1] * math.sin(t),
                    p[1] + off[0] * math.sin(t) + off[1] * math.cos(t),
                    off[2],
                ),
                (size, size, size * 0.8),
                (0.7, 0.66, 0.58),
                t,
            )
        ob.append(sh.build("shades", mat_colour("shade", None)))
    if night:
        pan = Boxes()
        nx = 1 if sx < 7 else 2
        for i in range(nx):
            p = (x0 + (i + 0.5) * sx / nx, cy, sz - 0.04)
            pan.add(p, (0.7, 0.7, 0.06), lc)
            w = (p[0] * c - p[1] * s_, p[0] * s_ + p[1] * c, p[2] - 0.06)
            area_light(w, (w[0], w[1], 0), (0.66, 0.66), lc, 85 * sz / 2.8)
        ob.append(pan.build("panel", mat_emit("panel", lc, 7.0)))
    for k, u, v, wd, ht, fixed in portals:
        px_, py_ = (u, fixed) if k % 2 == 0 else (fixed, u)
        inx, iny = ((0, 1), (-1, 0), (0, -1), (1, 0))[k]
        w = np.array([px_ * c - py_ * s_, px_ * s_ + py_ * c, v])
        dn = np.array([inx * c - iny * s_, inx * s_ + iny * c, 0.0])
        o = area_light(tuple(w - dn * 0.25), tuple(w + dn), (wd, ht), (1, 1, 1), 1.0)
        o.data.cycles.is_portal = True
    for o in ob:
        if o is not None:
            o.rotation_euler[2] = turn
    if night:
        sky.e_sun = 0.0
    return Shot(
        sky,
        sky.full * (1.0 if night else 0.3),
        {
            "room": room,
            "walls": wall,
            "floor": floor,
            "wood": wood,
            "items": items,
            "windows": n_win,
            "night": night,
            "lamps": warm,
            "ground": floor + " floor",
            "camera_height": cam,
        },
        samples=9,
        key=0.95,
    )
