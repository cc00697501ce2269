# SPDX-License-Identifier: CC0-1.0
"""Scene family: studio."""

import math

import numpy as np

from training.generator.boxes import Boxes
from training.generator.family_common import Shot, pick
from training.generator.materials import mat_colour, material
from training.generator.stage import mesh_object, reset


# ---------------------------------------------------------------------- studio
def studio(rng, threads):
    s = reset(12, threads)
    s.render.film_transparent = False
    s.cycles.max_bounces = 2
    s.cycles.diffuse_bounces = 1
    s.world.node_tree.nodes["Background"].inputs[0].default_value = (0, 0, 0, 1)
    tone = pick(rng, {"black": 1.4, "dark grey": 1.6, "mid grey": 1, "white": 0.6})
    base = {"black": 0.012, "dark grey": 0.05, "mid grey": 0.2, "white": 0.7}[tone]
    sx, sy, sz = rng.uniform(8, 14), rng.uniform(8, 14), rng.uniform(3.8, 5.5)
    cam = rng.uniform(1.1, 1.6)
    s.camera.location = (0, 0, cam)
    turn = rng.uniform(-math.pi, math.pi)
    room, gear, ob = Boxes(), Boxes(), []
    wallc = np.array([1, 1, 1]) * base
    room.add((0, 0, -0.05), (sx, sy, 0.1), wallc * 1.3)
    room.add((0, 0, sz + 0.05), (sx, sy, 0.1), wallc)
    for k in (-1, 1):
        room.add((0, k * sy / 2, sz / 2), (sx, 0.1, sz), wallc)
        room.add((k * sx / 2, 0, sz / 2), (0.1, sy, sz), wallc)
    ob.append(
        room.build(
            "room",
            mat_colour("room", None, gloss=0.08 if tone in ("black", "dark grey") else 0.02, rough=0.25),
        )
    )
    scheme = pick(rng, {"neutral": 2.4, "warm and cool": 1.2, "coloured gels": 1.4, "warm": 0.8})
    gels = [
        (1.0, 0.08, 0.30),
        (0.10, 0.35, 1.0),
        (0.55, 0.10, 1.0),
        (0.05, 0.9, 0.75),
        (1.0, 0.42, 0.05),
        (0.15, 1.0, 0.25),
    ]
    gel_names = ["pink", "blue", "violet", "cyan", "orange", "green"]
    used, kinds = [], {}
    n = int(rng.integers(2, 6))
    az0 = rng.uniform(0, 2 * math.pi)
    g_sel = rng.permutation(6)[:2]
    for i in range(n):
        kind = pick(rng, {"softbox": 3, "strip light": 1.6, "overhead panel": 1.2, "octabox": 1})
        if kind == "overhead panel" and kinds.get(kind):
            kind = "softbox"
        kinds[kind] = kinds.get(kind, 0) + 1
        a = az0 + i * 2 * math.pi / n + rng.uniform(-0.4, 0.4)
        d = rng.uniform(2.0, min(sx, sy) / 2 - 0.9)
        z = rng.uniform(1.4, sz - 1.2)
        w, h = {
            "softbox": (rng.uniform(0.8, 1.6), rng.uniform(0.9, 2.0)),
            "strip light": (rng.uniform(0.18, 0.4), rng.uniform(1.4, 2.4)),
            "overhead panel": (rng.uniform(0.7, 1.7), rng.uniform(0.7, 1.7)),
            "octabox": (rng.uniform(0.9, 1.6),) * 2,
        }[kind]
        if scheme == "neutral":
            c = np.array([1, 1, 1.0]) * 1
        elif scheme == "warm":
            c = np.array([1, 0.72, 0.45])
        elif scheme == "warm and cool":
            c = np.array([1, 0.66, 0.36]) if i % 2 else np.array([0.55, 0.75, 1.0])
        else:
            gi = g_sel[i % 2]
            c = np.array(gels[gi])
            used.append(gel_names[gi])
        power = rng.uniform(5, 22)
        if kind == "overhead panel":
            p, _tgt = np.array([rng.uniform(-1, 1), rng.uniform(-1, 1), sz - 0.35]), None
            nrm = np.array([0, 0, -1.0])
            u, v = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
        else:
            p = np.array([d * math.cos(a), d * math.sin(a), z])
            nrm = np.array([0, 0, 1.2]) - p
            nrm /= np.linalg.norm(nrm)
            u = np.cross(nrm, [0, 0, 1.0])
            u /= np.linalg.norm(u)
            v = np.cross(u, nrm)
            gear.add((p[0] * 1.04, p[1] * 1.04, z / 2), (0.04, 0.04, z), (0.02, 0.02, 0.02))
            for q in range(3):
                gear.add(
                    (p[0] * 1.04, p[1] * 1.04, 0.12), (0.7, 0.025, 0.025), (0.02, 0.02, 0.02), a + q * 2.09
                )
        k = 20 if kind == "octabox" else 4
        ang = (np.arange(k) + 0.5) * 2 * math.pi / k
        rim = np.stack([np.cos(ang), np.sin(ang)], -1)
        rim = rim / np.abs(rim).max(1, keepdims=True) if k == 4 else rim
        front = p + rim[:, :1] * u * w / 2 + rim[:, 1:] * v * h / 2
        back = p - nrm * 0.35 + 0.15 * (front - p)
        rings = [p[None] + f * (front - p) for f in (0.0001, 0.35, 0.7, 1.0)]
        vv = np.concatenate(rings)
        idx = np.arange(k)
        ff = np.concatenate(
            [
                np.stack(
                    [idx + r * k, (idx + 1) % k + r * k, (idx + 1) % k + (r + 1) * k, idx + (r + 1) * k], -1
                )
                for r in range(3)
            ]
        )
        fall = np.repeat([1.35, 1.15, 0.95, 0.72], k)
        m = material(
            "soft",
            lambda nn, c=c, power=power: nn(
                "ShaderNodeEmission",
                s_Color=tuple(c),
                s_Strength=nn.math("MULTIPLY", nn.attr("Emit", 2), float(power)),
            ),
        )
        m.cycles.emission_sampling = "FRONT_BACK"
        ob.append(mesh_object("light", vv, ff, m, emit=fall))
        vb = np.concatenate([front, back])
        fb = np.stack([idx, (idx + 1) % k, (idx + 1) % k + k, idx + k], -1)
        ob.append(mesh_object("shell", vb, fb, mat_colour("shell", None, (0.015, 0.015, 0.015))))
    sweep = rng.uniform() < 0.5
    if sweep:
        pc = [
            (0.6, 0.6, 0.6),
            (0.35, 0.35, 0.36),
            (0.1, 0.1, 0.11),
            (0.12, 0.22, 0.42),
            (0.45, 0.12, 0.10),
            (0.5, 0.42, 0.3),
        ][rng.integers(6)]
        th = np.linspace(0, math.pi / 2, 9)
        prof = (
            [(0.0, 0.012)]
            + [(2.2 + 1.0 * math.sin(t), 0.012 + 1.0 * (1 - math.cos(t))) for t in th]
            + [(3.2, min(3.2, sz - 0.4))]
        )
        v = np.array([[w_, y_ + 0.3, z_] for w_ in (-1.5, 1.5) for y_, z_ in prof])
        k = len(prof)
        i = np.arange(k - 1)
        o = mesh_object(
            "sweep", v, np.stack([i, i + 1, i + 1 + k, i + k], -1), mat_colour("paper", None, pc), smooth=True
        )
        ob.append(o)
    ob.append(gear.build("stands", mat_colour("gear", None)))
    for o in ob:
        if o is not None:
            o.rotation_euler[2] = turn
    return Shot(
        None,
        facts={
            "tone": tone,
            "lights": kinds,
            "n_lights": n,
            "scheme": scheme,
            "gels": sorted(set(used)),
            "backdrop": sweep,
            "ground": "studio floor",
            "camera_height": cam,
        },
        samples=7,
        key=1.0,
    )
