# SPDX-License-Identifier: GPL-3.0-or-later
"""From the guides of the settings to those of a spec, and back, each with an Empty where it was."""

from __future__ import annotations

import math
from collections.abc import Callable

import bpy
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from ..sync_engine.interface import guides
from ..sync_engine.interface.control import Control
from ..sync_engine.interface.spec import SpecError
from .guide_places import azimuth_and_elevation, new_handle, viewpoint
from .guides import DEPTH, EXTEND, PICTURE, REGION, REPAINT, REPAIR, SUN, SyncscapeGuide

NEAREST = 1e-6
"""Nearer than this an object has no direction."""
PER_HUNDRED = 100.0


def in_spec(lines, scene: bpy.types.Scene, kind: str) -> tuple[guides.Guide, ...]:
    """Return the guides as a spec has them; one that is switched off does not count.

    Raises:
        SpecError: a guide has no object, or the object is where one looks from.
    """
    makers: dict[str, Callable[..., guides.Guide]] = {
        SUN: _sun,
        REGION: _region,
        PICTURE: _picture,
        DEPTH: _depth,
    }
    used = [line for line in lines if line.use]
    return tuple(makers[line.kind](number, line, scene, kind == "plate") for number, line in enumerate(used))


def from_spec(lines, wanted: tuple[guides.Guide, ...], scene: bpy.types.Scene, kind: str) -> None:
    """Set the guides to those of a spec, each with a new Empty where it was.

    What a plate's camera placed has no handle, for that camera is not known: it is left out.
    """
    lines.clear()
    for guide in wanted:
        if isinstance(guide, guides.Region):
            if guide.mask or kind != "plate":
                _take_region(lines.add(), guide, scene)
        elif isinstance(guide, guides.Picture):
            if kind != "plate" or not guide.is_placed:
                _take_picture(lines.add(), guide, scene, kind == "plate")
        elif isinstance(guide, Control):
            if guide.kind == "depth":
                line = lines.add()
                line.kind, line.file, line.control_net = DEPTH, guide.file, guide.model
                line.scale, line.start, line.end = guide.scale, guide.start, guide.end
        elif isinstance(guide, guides.Sun):
            line = lines.add()
            line.kind, line.strength = SUN, guide.strength
            if guide.azimuth is not None and guide.elevation is not None:
                line.target = new_handle(scene, SUN, guide.azimuth, guide.elevation)


def _take_region(line: SyncscapeGuide, guide: guides.Region, scene: bpy.types.Scene) -> None:
    line.kind, line.prompt, line.negative = REGION, guide.prompt, guide.negative
    line.strength, line.mask = guide.strength, guide.mask
    if not guide.mask:
        (azimuth, elevation), radius, feather = guide.cap("sphere")
        line.softness = feather / radius
        line.target = new_handle(scene, REGION, azimuth, elevation, radius)


def _take_picture(line: SyncscapeGuide, guide: guides.Picture, scene: bpy.types.Scene, flat: bool) -> None:
    line.kind, line.file, line.mask = PICTURE, guide.file, guide.mask
    line.blend = guide.feather * PER_HUNDRED if flat else guide.feather
    place = guide.azimuth or 0.0, guide.elevation or 0.0
    if guide.is_placed:
        line.task, line.fov = EXTEND, math.radians(guide.fov or 60.0)
        line.target = new_handle(scene, PICTURE, *place)
    elif guide.strength is not None:
        line.task, line.repaint = REPAINT, guide.strength
    else:
        line.task = REPAIR
        if guide.radius is not None:
            line.target = new_handle(scene, REGION, *place, guide.radius)


def _sun(number: int, line: SyncscapeGuide, scene: bpy.types.Scene, _flat: bool) -> guides.Sun:
    if line.target is None:
        return guides.Sun(strength=line.strength)
    if line.target.type == "LIGHT":
        toward = line.target.matrix_world.to_3x3() @ Vector((0.0, 0.0, 1.0))  # a lamp shines along -Z
    else:
        toward = _toward(number, line, scene)
    azimuth, elevation = azimuth_and_elevation(toward)
    return guides.Sun(azimuth=azimuth, elevation=elevation, strength=line.strength)


def _region(number: int, line: SyncscapeGuide, scene: bpy.types.Scene, flat: bool) -> guides.Region:
    texts = {"prompt": line.prompt.strip(), "negative": line.negative.strip()}
    strength = min(1.0, line.strength)
    if line.mask:
        return guides.Region(mask=bpy.path.abspath(line.mask), strength=strength, **texts)
    if flat:
        x, y, radius = _on_plate(number, line, scene)
        return guides.Region(
            x=x, y=y, radius=radius, feather=radius * line.softness, strength=strength, **texts
        )
    azimuth, elevation, radius = _on_sphere(number, line, scene)
    return guides.Region(
        azimuth=azimuth,
        elevation=elevation,
        radius=radius,
        feather=radius * line.softness,
        strength=strength,
        **texts,
    )


def _picture(number: int, line: SyncscapeGuide, scene: bpy.types.Scene, flat: bool) -> guides.Picture:
    file = bpy.path.abspath(line.file) if line.file else ""
    blend = line.blend / PER_HUNDRED if flat else line.blend
    if line.task == REPAINT:
        return guides.Picture(file=file, strength=line.repaint)
    if line.task == REPAIR and line.mask:
        return guides.Picture(file=file, mask=bpy.path.abspath(line.mask), feather=blend)
    if line.task == REPAIR and flat:
        raise _misplaced(
            number, line, "a part of a plate is repaired by a mask", "Name a mask, white where it is painted."
        )
    if line.task == REPAIR:
        azimuth, elevation, radius = _on_sphere(number, line, scene)
        return guides.Picture(file=file, azimuth=azimuth, elevation=elevation, radius=radius, feather=blend)
    if flat:
        x, y, _radius = _on_plate(number, line, scene)
        return guides.Picture(file=file, x=x, y=y, width=line.width, feather=blend)
    azimuth, elevation = azimuth_and_elevation(_toward(number, line, scene))
    return guides.Picture(
        file=file, azimuth=azimuth, elevation=elevation, fov=math.degrees(line.fov), feather=blend
    )


def _depth(number: int, line: SyncscapeGuide, _scene: bpy.types.Scene, _flat: bool) -> Control:
    if not line.file:
        raise SpecError(
            f"guides[{number}].file", "", "the depth is not captured", "Press Capture, or name a file."
        )
    return Control(
        kind="depth",
        file=bpy.path.abspath(line.file),
        model=line.control_net.strip(),
        scale=line.scale,
        start=line.start,
        end=line.end,
    )


def _size(line: SyncscapeGuide) -> float:
    return line.target.empty_display_size * max(line.target.matrix_world.to_scale())


def _on_sphere(number: int, line: SyncscapeGuide, scene: bpy.types.Scene) -> tuple[float, float, float]:
    """Return azimuth, elevation and radius in degrees of an Empty's sphere."""
    toward = _toward(number, line, scene)
    azimuth, elevation = azimuth_and_elevation(toward)
    return azimuth, elevation, math.degrees(math.atan2(_size(line), toward.length))


def _on_plate(number: int, line: SyncscapeGuide, scene: bpy.types.Scene) -> tuple[float, float, float]:
    """Return x, y and radius of an Empty's sphere in the camera's frame, in shares of a plate."""
    place = _place(number, line)
    if scene.camera is None:
        raise _misplaced(number, line, "is seen by no camera", "Add a camera to the scene.")
    x, y, depth = world_to_camera_view(scene, scene.camera, place)
    if depth <= 0.0:
        raise _misplaced(number, line, "is behind the camera", "Move it into the frame.")
    tall = 2.0 * depth * math.tan(scene.camera.data.angle_y / 2.0)
    return x, 1.0 - y, _size(line) / tall


def _toward(number: int, line: SyncscapeGuide, scene: bpy.types.Scene) -> Vector:
    toward = _place(number, line) - viewpoint(scene)
    if toward.length < NEAREST:
        raise _misplaced(
            number, line, "stands where the camera stands", "Move it to where the guide should be."
        )
    return toward


def _place(number: int, line: SyncscapeGuide) -> Vector:
    if line.target is None:
        raise _misplaced(
            number,
            line,
            "the guide has no object, or it was deleted",
            "Choose an Empty, or switch the guide off.",
        )
    return line.target.matrix_world.translation.copy()


def _misplaced(number: int, line: SyncscapeGuide, problem: str, remedy: str) -> SpecError:
    return SpecError(f"guides[{number}].target", line.target and line.target.name, problem, remedy)
