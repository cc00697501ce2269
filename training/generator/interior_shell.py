# SPDX-License-Identifier: CC0-1.0
"""The shell of an interior: walls with windows, ceiling, floor and the lawn outside."""

from dataclasses import dataclass

import numpy as np

from training.generator.boxes import Boxes, wall_with_holes
from training.generator.interior_room import FABRICS, WALLS
from training.generator.materials import mat_colour, material

WALL_THICKNESS = 0.22
GLOSS = {"wood": 0.12, "tiles": 0.18, "concrete": 0.08, "carpet": 0.0}


@dataclass
class Window:
    """A hole in the wall of a side: its left and right along the wall, its bottom and top."""

    side: int
    left: float
    right: float
    bottom: float
    top: float


def build_shell(room):
    """Build all that encloses the room; its windows."""
    windows = build_walls(room)
    build_ceiling(room)
    floor = Boxes()
    floor.add((room.x, room.y, -0.05), (room.width + 0.4, room.depth + 0.4, 0.1), (0.5, 0.5, 0.5))
    room.build(floor, "floor", floor_material(room))
    lawn = Boxes()
    lawn.add((0, 0, -1.2), (400, 400, 0.2), (0.025, 0.045, 0.014))  # kept dim: the eye is indoors
    room.build(lawn, "lawn", mat_colour("lawn", None))
    return windows


def build_walls(room):
    walls, frames, windows = Boxes(), Boxes(), []
    for side in range(4):
        low, high = room.side_span(side)
        of_side = choose_windows(room, side) if side in room.window_sides else []
        outward = (-1, 1, 1, -1)[side] * WALL_THICKNESS / 2
        holes = [(window.left, window.right, window.bottom, window.top) for window in of_side]
        for piece in wall_with_holes(low, high, room.height, holes):
            add_panel(walls, room, side, piece, WALL_THICKNESS, WALLS[room.wall], outward)
        for window in of_side:
            add_frame(frames, room, window)
        windows += of_side
    room.build(walls, "walls", brick_material() if room.brick else mat_colour("wall", None))
    room.build(frames, "frames", mat_colour("frames", None))
    return windows


def choose_windows(room, side):
    """One to three alike windows, evenly along the wall of a side."""
    rng = room.rng
    low, high = room.side_span(side)
    count = int(rng.integers(1, 4))
    width = (high - low) / count * rng.uniform(0.45, 0.75)
    bottom = 0.15 if rng.uniform() < 0.3 else rng.uniform(0.7, 1.0)
    top = min(room.height - 0.25, bottom + rng.uniform(1.2, 2.6 if room.height > 3.5 else 1.8))
    centres = [low + (high - low) * (i + 0.5) / count for i in range(count)]
    return [Window(side, centre - width / 2, centre + width / 2, bottom, top) for centre in centres]


def add_panel(boxes, room, side, piece, thickness, colour, outward=0.0):
    """Add a box on the wall of a side, over `piece`: left, right, bottom and top."""
    left, right, bottom, top = piece
    along, across, up = (left + right) / 2, room.side_line(side) + outward, (bottom + top) / 2
    if side % 2 == 0:
        boxes.add((along, across, up), (right - left, thickness, top - bottom), colour)
    else:
        boxes.add((across, along, up), (thickness, right - left, top - bottom), colour)


def add_frame(frames, room, window):
    """Four bars around a window, one down its middle and one across its upper third."""
    left, right, bottom, top = window.left, window.right, window.bottom, window.top
    middle, third = (left + right) / 2, bottom * 0.35 + top * 0.65
    bars = (
        (left, left + 0.05, bottom, top),
        (right - 0.05, right, bottom, top),
        (left, right, bottom, bottom + 0.05),
        (left, right, top - 0.05, top),
        (middle - 0.02, middle + 0.02, bottom, top),
        (left, right, third - 0.02, third + 0.02),
    )
    colour = (0.75, 0.74, 0.72) if room.kind != "loft" else (0.03, 0.03, 0.03)
    for bar in bars:
        add_panel(frames, room, window.side, bar, 0.07, colour)


def build_ceiling(room):
    """The ceiling, its beams where there are any, and the skirting boards."""
    ceiling = Boxes()
    ceiling.add(
        (room.x, room.y, room.height + 0.1),
        (room.width + 0.4, room.depth + 0.4, 0.2),
        (0.78, 0.78, 0.77) if room.kind != "loft" else (0.35, 0.33, 0.31),
    )
    for x, y in ((room.west, room.south), (room.east, room.north)):
        ceiling.add((room.x, y, 0.06), (room.width, 0.03, 0.12), (0.7, 0.7, 0.68))
        ceiling.add((x, room.y, 0.06), (0.03, room.depth, 0.12), (0.7, 0.7, 0.68))
    if room.kind == "loft":
        for i in range(5):
            x = room.west + (i + 0.5) * room.width / 5
            ceiling.add((x, room.y, room.height - 0.12), (0.2, room.depth, 0.24), (0.12, 0.08, 0.05))
    room.build(ceiling, "ceiling", mat_colour("ceil", None))


def brick_texture(n, coordinates, colours, scale):
    texture = n.node("ShaderNodeTexBrick")
    n.put(texture.inputs["Vector"], coordinates)
    for name, colour in zip(("Color1", "Color2", "Mortar"), colours, strict=True):
        n.put(texture.inputs[name], colour)
    texture.inputs["Scale"].default_value = scale
    return texture


def brick_material():
    def build(n):
        place = n.node("ShaderNodeTexCoord").outputs["Object"]
        x, y, z = n.node("ShaderNodeSeparateXYZ", in0=place).outputs
        on_wall = n("ShaderNodeCombineXYZ", in0=n.math("ADD", x, y), in1=z)
        colours = ((0.36, 0.13, 0.08), (0.24, 0.085, 0.055), (0.38, 0.35, 0.31))
        bricks = brick_texture(n, on_wall, colours, scale=4.0)
        return n("ShaderNodeBsdfDiffuse", s_Color=bricks.outputs[0])

    return material("brick", build)


def floor_material(room):
    def build(n):
        place = n.node("ShaderNodeTexCoord").outputs["Object"]
        if room.floor == "wood":
            colour = laid_floor(n, place, room.wood_colour, room.wood_colour * 0.72, 0.37, (1.4, 0.13))
        elif room.floor == "tiles":
            tiles = np.array([0.62, 0.60, 0.56]), np.array([0.55, 0.53, 0.50])
            colour = laid_floor(n, place, *tiles, 0.0, (0.5, 0.5))
        elif room.floor == "concrete":
            colour = mottled_floor(n, place, (0.32, 0.32, 0.31), scale=1.5)
        else:
            colour = mottled_floor(n, place, FABRICS["beige"], scale=40)
        return n(
            "ShaderNodeMixShader",
            in0=GLOSS[room.floor],
            in1=n("ShaderNodeBsdfDiffuse", s_Color=colour),
            in2=n("ShaderNodeBsdfGlossy", s_Roughness=0.12),
        )

    return material("floor", build)


def laid_floor(n, place, colour, other_colour, row_shift, size):
    """The colour of boards or tiles of this size."""
    texture = brick_texture(n, place, (colour, other_colour, colour * 0.3), scale=1.0)
    texture.offset = row_shift
    texture.inputs["Brick Width"].default_value, texture.inputs["Row Height"].default_value = size
    texture.inputs["Mortar Size"].default_value = 0.006
    return texture.outputs[0]


def mottled_floor(n, place, colour, scale):
    noise = n.node("ShaderNodeTexNoise")
    n.put(noise.inputs["Vector"], place)
    noise.inputs["Scale"].default_value = scale
    noise.inputs["Detail"].default_value = 6
    return n.mix(noise.outputs[0], np.array(colour) * 0.75, np.array(colour) * 1.2)
