# SPDX-License-Identifier: CC0-1.0
"""Scene family: interior."""

import numpy as np

from training.generator.boxes import Boxes
from training.generator.family_common import Shot, pick, start
from training.generator.interior_furniture import furnish
from training.generator.interior_room import choose_room, turned
from training.generator.interior_shell import build_shell
from training.generator.materials import mat_colour, mat_emit
from training.generator.sky import Sky
from training.generator.stage import area_light, point_light

# -------------------------------------------------------------------- interiors
LAMP_COLOURS = {"warm": (1.0, 0.62, 0.30), "neutral": (1.0, 0.88, 0.74)}


def interior(rng, threads):
    sky = choose_sky(rng)
    room = choose_room(rng)
    scene = start(sky, rng, (0.10, 0.13, 0.05), room.camera_height, 12, threads)
    let_light_bounce(scene)
    windows = build_shell(room)
    furniture = furnish(room)
    lamps = pick(rng, {"warm": 2, "neutral": 1}) if sky.night or rng.uniform() < 0.25 else None
    add_light(room, windows, furniture.shades, lamps, sky.night)
    if sky.night:
        sky.e_sun = 0.0
    return Shot(
        sky,
        sky.full * (1.0 if sky.night else 0.3),
        {
            "room": room.kind,
            "walls": "brick" if room.brick else room.wall,
            "floor": room.floor,
            "wood": room.wood,
            "items": furniture.names,
            "windows": len(windows),
            "night": sky.night,
            "lamps": lamps,
            "ground": room.floor + " floor",
            "camera_height": room.camera_height,
        },
        samples=9,
        key=0.95,
    )


def choose_sky(rng):
    if rng.uniform() < 0.3:
        return Sky(rng, "night", "clear", stars=False)
    when = pick(rng, {"morning": 2, "afternoon": 2, "golden hour": 2, "midday": 1, "sunset": 1})
    weather = pick(rng, {"clear": 2, "partly cloudy": 2, "overcast": 1})
    return Sky(rng, when, weather, stars=False)


def let_light_bounce(scene):
    """Set Cycles for a room, which much of the light reaches only by way of its walls."""
    scene.cycles.max_bounces = 3
    scene.cycles.diffuse_bounces = 3
    scene.cycles.sample_clamp_indirect = 4.0
    scene.cycles.use_adaptive_sampling = True
    scene.cycles.adaptive_threshold = 0.1
    scene.cycles.adaptive_min_samples = 4


def add_light(room, windows, shades, lamps, night):
    """Light the lamps with the colour named by `lamps`, if any, and let daylight in."""
    if shades and lamps:
        add_lit_shades(room, shades, LAMP_COLOURS[lamps], night)
    elif shades:
        add_unlit_shades(room, shades)
    if night:
        add_ceiling_panels(room, LAMP_COLOURS[lamps])
    add_portals(room, windows)


def add_unlit_shades(room, shades):
    boxes = Boxes()
    for shade in shades:
        add_shade(boxes, shade, (0.7, 0.66, 0.58))
    room.build(boxes, "shades", mat_colour("shade", None))


def add_lit_shades(room, shades, colour, night):
    boxes = Boxes()
    for shade in shades:
        add_shade(boxes, shade, colour)
        x, y, z = shade.centre
        power = (26 if night else 8) * (1.5 if shade.size > 0.3 else 0.7)
        point_light((*turned(x, y, room.turn), z + shade.size * 0.75), colour, power, 0.12)
    room.build(boxes, "shades", mat_emit("shade", colour, 3.0 if night else 1.5))


def add_shade(boxes, shade, colour):
    boxes.add(shade.centre, (shade.size, shade.size, shade.size * 0.8), colour, shade.facing)


def add_ceiling_panels(room, colour):
    panels = Boxes()
    count = 1 if room.width < 7 else 2
    for i in range(count):
        x, y, z = room.west + (i + 0.5) * room.width / count, room.y, room.height - 0.04
        panels.add((x, y, z), (0.7, 0.7, 0.06), colour)
        x, y = turned(x, y, room.turn)
        area_light((x, y, z - 0.06), (x, y, 0), (0.66, 0.66), colour, 85 * room.height / 2.8)
    room.build(panels, "panel", mat_emit("panel", colour, 7.0))


def add_portals(room, windows):
    """Mark each window as where light comes from, so that Cycles samples it there."""
    for window in windows:
        along, line = (window.left + window.right) / 2, room.side_line(window.side)
        x, y = (along, line) if window.side % 2 == 0 else (line, along)
        into_room = ((0, 1), (-1, 0), (0, -1), (1, 0))[window.side]
        centre = np.array([*turned(x, y, room.turn), (window.bottom + window.top) / 2])
        inward = np.array([*turned(*into_room, room.turn), 0.0])
        size = (window.right - window.left, window.top - window.bottom)
        portal = area_light(tuple(centre - inward * 0.25), tuple(centre + inward), size, (1, 1, 1), 1.0)
        portal.data.cycles.is_portal = True
