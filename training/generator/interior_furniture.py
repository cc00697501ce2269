# SPDX-License-Identifier: CC0-1.0
"""The furniture of an interior, each piece of boxes at a wall and clear of the camera."""

from dataclasses import dataclass, field

import numpy as np

from training.generator.boxes import Boxes
from training.generator.interior_room import FABRICS, turned
from training.generator.materials import mat_colour
from training.generator.plants import broadleaf

BLACK_METAL = (0.05, 0.05, 0.05)


@dataclass
class Shade:
    """The shade of a lamp."""

    centre: tuple
    facing: float
    size: float


@dataclass
class Furniture:
    """What stands and hangs in a room: its boxes, its names, and the shades of its lamps."""

    boxes: Boxes = field(default_factory=Boxes)
    names: list = field(default_factory=list)
    shades: list = field(default_factory=list)

    def add(self, spot, offset, size, colour):
        self.boxes.add(spot.at(offset), size, colour, spot.facing)

    def add_shade(self, spot, offset, size):
        self.shades.append(Shade(spot.at(offset), spot.facing, size))


def furnish(room):
    """Furnish the room according to its kind."""
    furniture = Furniture()
    sides = list(room.rng.permutation(4))
    if room.kind in ("living room", "loft"):
        add_sofa(furniture, room, sides[0])
    if room.kind == "bedroom":
        add_bed(furniture, room, sides[0])
    if room.kind in ("office", "bedroom"):
        add_desk(furniture, room, sides[1])
    if room.kind not in ("empty room", "gallery"):
        add_bookshelf(furniture, room, sides[2])
        add_rug(furniture, room)
        add_floor_lamp(furniture, room, sides[3])
        add_plant(furniture, room, sides[0])
    add_paintings(furniture, room)
    if room.kind == "gallery":
        add_bench(furniture, room)
    if furniture.boxes.v:
        room.build(furniture.boxes, "furniture", mat_colour("furn", None))
    return furniture


def any_fabric(rng):
    return np.array(list(FABRICS.values())[rng.integers(len(FABRICS))])


def add_sofa(furniture, room, side):
    spot = room.spot_at_wall(side, 0.6, room.rng.uniform(0.35, 0.65))
    if not spot.is_clear_of_camera(1.6):
        return
    furniture.names.append(room.fabric + " sofa")
    fabric = room.fabric_colour
    furniture.add(spot, (0, 0, 0.22), (2.1, 0.85, 0.38), fabric)
    furniture.add(spot, (0, -0.36, 0.58), (2.1, 0.2, 0.5), fabric * 0.95)
    for end in (-1, 1):
        furniture.add(spot, (end * 1.0, 0, 0.4), (0.2, 0.85, 0.5), fabric * 0.9)
        furniture.add(spot, (end * 0.5, 0.02, 0.46), (0.95, 0.75, 0.14), fabric * 1.1)
        furniture.add(spot, (end * 0.7, -0.2, 0.68), (0.4, 0.14, 0.36), any_fabric(room.rng) * 1.2)
    table = spot.ahead(1.15)
    if table.is_clear_of_camera(0.9):
        add_coffee_table(furniture, room, table)


def add_coffee_table(furniture, room, spot):
    furniture.names.append("coffee table")
    furniture.add(spot, (0, 0, 0.40), (1.1, 0.6, 0.05), room.wood_colour)
    for end in (-1, 1):
        for edge in (-1, 1):
            leg = (end * 0.48, edge * 0.24, 0.19)
            furniture.add(spot, leg, (0.05, 0.05, 0.38), room.wood_colour * 0.7)


def add_bed(furniture, room, side):
    spot = room.spot_at_wall(side, 1.05)
    furniture.names.append("bed")
    if not spot.is_clear_of_camera(1.0):
        return
    wood = room.wood_colour
    furniture.add(spot, (0, 0, 0.2), (1.7, 2.05, 0.3), wood)
    furniture.add(spot, (0, 0, 0.45), (1.6, 1.95, 0.24), (0.75, 0.74, 0.72))
    furniture.add(spot, (0, 0.35, 0.54), (1.68, 1.25, 0.1), room.fabric_colour)
    furniture.add(spot, (0, -0.99, 0.65), (1.75, 0.08, 0.9), wood * 0.8)
    for end in (-1, 1):
        furniture.add(spot, (end * 0.42, -0.72, 0.64), (0.6, 0.4, 0.16), (0.8, 0.8, 0.78))
        furniture.add(spot, (end * 1.15, -0.8, 0.25), (0.42, 0.4, 0.5), wood * 0.85)
        furniture.add_shade(spot, (end * 1.15, -0.8, 0.72), 0.2)


def add_desk(furniture, room, side):
    """A desk with a screen, and its chair."""
    spot = room.spot_at_wall(side, 0.45, room.rng.uniform(0.3, 0.7))
    if not spot.is_clear_of_camera(1.3):
        return
    furniture.names.append("desk")
    wood, fabric = room.wood_colour, room.fabric_colour
    furniture.add(spot, (0, 0, 0.73), (1.5, 0.7, 0.04), wood)
    for end in (-1, 1):
        furniture.add(spot, (end * 0.7, 0, 0.36), (0.05, 0.62, 0.7), wood * 0.7)
    furniture.add(spot, (0, -0.18, 1.02), (0.62, 0.03, 0.36), (0.02, 0.02, 0.022))
    furniture.add(spot, (0, 0.75, 0.46), (0.5, 0.5, 0.09), fabric)
    furniture.add(spot, (0, 1.0, 0.8), (0.5, 0.08, 0.6), fabric)
    furniture.add(spot, (0, 0.75, 0.22), (0.08, 0.08, 0.42), BLACK_METAL)


def add_bookshelf(furniture, room, side):
    spot = room.spot_at_wall(side, 0.2, room.rng.uniform(0.2, 0.8))
    if side in room.window_sides or not spot.is_clear_of_camera(1.2):
        return
    furniture.names.append("bookshelf")
    wood = room.wood_colour
    height = min(2.1, room.height - 0.4)
    for end in (-1, 1):
        furniture.add(spot, (end * 0.7, 0, height / 2), (0.04, 0.32, height), wood)
    for i in range(6):
        shelf_height = 0.05 + i * (height - 0.08) / 5
        furniture.add(spot, (0, 0, shelf_height), (1.4, 0.32, 0.035), wood)
        if i < 5:
            add_books(furniture, room, spot, shelf_height)


def add_books(furniture, room, spot, shelf_height):
    """A row of books with some gaps."""
    rng = room.rng
    along = -0.62
    while along < 0.55:
        width = rng.uniform(0.03, 0.07)
        height = rng.uniform(0.18, 0.31)
        if rng.uniform() < 0.85:
            offset = (along, 0.0, shelf_height + height / 2 + 0.02)
            furniture.add(spot, offset, (width, 0.2, height), rng.uniform(0.04, 0.5, 3) ** 1.2)
        along += width + 0.008


def add_rug(furniture, room):
    colour = any_fabric(room.rng)
    if room.floor == "carpet" or room.rng.uniform() >= 0.75:
        return
    furniture.names.append("rug")
    width, depth = min(3, room.width * 0.5), min(2.2, room.depth * 0.45)
    furniture.boxes.add((room.x, room.y, 0.012), (width, depth, 0.02), colour)
    furniture.boxes.add((room.x, room.y, 0.014), (width * 0.85, depth * 0.8, 0.022), colour * 0.6 + 0.15)


def add_floor_lamp(furniture, room, side):
    spot = room.spot_at_wall(side, 0.45, room.rng.choice([0.1, 0.9]))
    if not spot.is_clear_of_camera(1.2):
        return
    furniture.names.append("floor lamp")
    furniture.add(spot, (0, 0, 0.75), (0.03, 0.03, 1.5), BLACK_METAL)
    furniture.add(spot, (0, 0, 0.015), (0.3, 0.3, 0.03), BLACK_METAL)
    furniture.add_shade(spot, (0, 0, 1.6), 0.34)


def add_plant(furniture, room, side):
    rng = room.rng
    if rng.uniform() >= 0.6:
        return
    spot = room.spot_at_wall(side, 0.45, rng.choice([0.08, 0.92]))
    if not spot.is_clear_of_camera(1.2):
        return
    furniture.names.append("potted plant")
    furniture.add(spot, (0, 0, 0.2), (0.34, 0.34, 0.4), (0.45, 0.2, 0.12))
    plant = broadleaf(rng, mat_colour("leafy", None), (0.05, 0.12, 0.03), 0.4)
    plant.location = (*turned(spot.position[0], spot.position[1], room.turn), 0.25)
    plant.scale = (1.3, 1.3, 1.3)


def add_paintings(furniture, room):
    """Paintings on the plastered walls that have no window."""
    rng = room.rng
    for side in range(4):
        if side in room.window_sides or room.brick:
            continue
        count = int(rng.integers(0, 3)) + (2 if room.kind == "gallery" else 0)
        for i in range(count):
            spot = room.spot_at_wall(side, 0.02, (i + 1) / 5 + rng.uniform(-0.03, 0.03))
            width, height = rng.uniform(0.5, 1.1), rng.uniform(0.5, 1.0)
            if room.kind == "gallery":
                width, height = width * 1.4, height * 1.5
            add_painting(furniture, rng, spot, width, height)
        if count and "paintings" not in furniture.names:
            furniture.names.append("paintings")


def add_painting(furniture, rng, spot, width, height):
    """A frame, a ground and four patches of another colour."""
    furniture.add(spot, (0, 0.0, 1.65), (width, 0.04, height), (0.04, 0.035, 0.03))
    ground, patches = rng.uniform(0.03, 0.8, 3), rng.uniform(0.03, 0.8, 3)
    furniture.add(spot, (0, 0.01, 1.65), (width - 0.08, 0.045, height - 0.08), ground)
    for _ in range(4):
        offset = (rng.uniform(-0.3, 0.3) * width, 0.014, 1.65 + rng.uniform(-0.3, 0.3) * height)
        size = (width * rng.uniform(0.1, 0.35), 0.045, height * rng.uniform(0.1, 0.35))
        furniture.add(spot, offset, size, patches * rng.uniform(0.5, 1.3))


def add_bench(furniture, room):
    furniture.names.append("bench")
    furniture.boxes.add((room.x + 0.22 * room.width, room.y, 0.23), (0.5, 1.8, 0.46), (0.25, 0.15, 0.09))
