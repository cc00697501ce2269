# SPDX-License-Identifier: CC0-1.0
"""The room of an interior: its kind, measures, colours and places at its walls, chosen at random."""

import math
from dataclasses import dataclass

import numpy as np

from training.generator.family_common import pick

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


def turned(x, y, angle):
    c, s = math.cos(angle), math.sin(angle)
    return x * c - y * s, x * s + y * c


@dataclass
class Spot:
    """A place on the floor and which way what stands there is turned; the camera is above (0, 0)."""

    position: np.ndarray
    facing: float

    def at(self, offset):
        """The point at this offset: to the side, to the front, up."""
        (x, y, _), (side, front, up) = self.position, offset
        c, s = math.cos(self.facing), math.sin(self.facing)
        return x + side * c - front * s, y + side * s + front * c, up

    def ahead(self, distance):
        forward = np.array([-math.sin(self.facing), math.cos(self.facing), 0])
        return Spot(self.position + forward * distance, self.facing)

    def is_clear_of_camera(self, distance):
        return math.hypot(self.position[0], self.position[1]) > distance


@dataclass
class Room:
    """A room along the axes, before its turn about the camera; sides: 0 south, 1 east, 2 north, 3 west."""

    rng: np.random.Generator
    kind: str
    width: float  # west to east
    depth: float  # south to north
    height: float
    wall: str
    brick: bool
    wood: str
    floor: str
    fabric: str
    camera_height: float
    x: float  # the room's middle
    y: float
    turn: float
    window_sides: list

    @property
    def west(self):
        return self.x - self.width / 2

    @property
    def east(self):
        return self.x + self.width / 2

    @property
    def south(self):
        return self.y - self.depth / 2

    @property
    def north(self):
        return self.y + self.depth / 2

    @property
    def wood_colour(self):
        return np.array(WOODS[self.wood])

    @property
    def fabric_colour(self):
        return np.array(FABRICS[self.fabric])

    def side_span(self, side):
        """Where the wall of a side begins and ends."""
        return (self.west, self.east) if side % 2 == 0 else (self.south, self.north)

    def side_line(self, side):
        """Where the wall of a side stands on the other axis."""
        return (self.south, self.east, self.north, self.west)[side]

    def spot_at_wall(self, side, gap, along=0.5):
        """The spot `gap` inside the wall of a side and turned into the room."""
        x, y = self.west + self.width * along, self.south + self.depth * along
        x, y, facing = (
            (x, self.south + gap, 0.0),
            (self.east - gap, y, math.pi / 2),
            (x, self.north - gap, math.pi),
            (self.west + gap, y, -math.pi / 2),
        )[side]
        return Spot(np.array([x, y, 0.0]), facing)

    def build(self, boxes, name, material):
        """Make an object of boxes and turn it as the room is turned."""
        built = boxes.build(name, material)
        if built is not None:
            built.rotation_euler[2] = self.turn


def choose_room(rng):
    kind = pick(
        rng, {"living room": 2.2, "bedroom": 1.4, "office": 1.2, "empty room": 1, "loft": 1.2, "gallery": 0.9}
    )
    large = kind in ("loft", "gallery")
    width, depth = rng.uniform(5, 9), rng.uniform(4.5, 8)
    height = rng.uniform(2.6, 3.2)
    if large:
        width, depth, height = width * 1.5, depth * 1.4, rng.uniform(4, 5.5)
    if kind == "gallery" and rng.uniform() < 0.7:
        wall = "white"
    else:
        wall = pick(rng, {name: (3 if name in ("white", "cream") else 1) for name in WALLS})
    return Room(
        rng,
        kind,
        width,
        depth,
        height,
        wall,
        brick=kind == "loft" and rng.uniform() < 0.6,
        wood=pick(rng, dict.fromkeys(WOODS, 1)),
        floor=pick(rng, {"wood": 3, "tiles": 1, "concrete": 3 if large else 0.8, "carpet": 0.7}),
        fabric=pick(rng, dict.fromkeys(FABRICS, 1)),
        camera_height=rng.uniform(1.3, 1.7),
        x=rng.uniform(-0.2, 0.2) * width,
        y=rng.uniform(-0.2, 0.2) * depth,
        turn=rng.uniform(-math.pi, math.pi),
        window_sides=list(rng.permutation(4))[: int(rng.integers(1, 3))],
    )
