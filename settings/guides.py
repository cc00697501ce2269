# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides of the settings: regions and the sun, placed by objects of the scene.

A direction is that from the viewpoint (the scene's camera, without one the 3D cursor) to an object. A
picture's centre lies at +Y once it is applied, so what stands at +Y has the azimuth 0.
"""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import math

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, PointerProperty, StringProperty
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from ..sync_engine.interface import guides
from ..sync_engine.interface.spec import SpecError

REGION, SUN = guides.Region.type, guides.Sun.type
GUIDE_ITEMS = (
    (
        REGION,
        "Region",
        "A part of the picture shows something else: within an Empty's sphere",
        "MESH_CIRCLE",
        0,
    ),
    (SUN, "Sun", "The World's sun stands where a Sun lamp or an Empty says", "LIGHT_SUN", 1),
)
DISTANCE, RADIUS_DEG, MOST_HANDLE_DEG = 10.0, 20.0, 80.0
"""A new handle stands so far from the viewpoint; a region looks so large from there, and at most so large."""
NEAREST = 1e-6
"""Nearer than this an object has no direction."""


def _may_place(guide: SyncscapeGuide, item: bpy.types.Object) -> bool:
    return item.type == "EMPTY" or (guide.kind == SUN and item.type == "LIGHT" and item.data.type == "SUN")


class SyncscapeGuide(bpy.types.PropertyGroup):
    """One guide of the settings."""

    kind: EnumProperty(name="Guide", description="What the guide says", items=GUIDE_ITEMS)
    use: BoolProperty(name="Use", description="Whether the guide counts", default=True)
    prompt: StringProperty(name="Prompt", description="What this part of the picture shows")
    negative: StringProperty(name="Avoid", description="What this part of the picture should not show")
    target: PointerProperty(
        name="Object",
        description="Where it is: an Empty, whose size is the region's; for the sun also a Sun lamp, which "
        "says where its light comes from",
        type=bpy.types.Object,
        poll=_may_place,
    )
    strength: FloatProperty(
        name="Strength",
        description="Of a region: 1 shows it alone, less mixes it with what is around it. Of the sun: in "
        "parts of what is usual at its height",
        default=1.0,
        min=0.0,
        soft_max=1.0,
        max=guides.SUN_STRENGTH.maximum,
    )


def in_spec(lines, scene: bpy.types.Scene, kind: str) -> tuple[guides.Guide, ...]:
    """Return the guides as a spec has them; one that is switched off does not count.

    Raises:
        SpecError: a guide has no object, or the object is where one looks from.
    """
    return tuple(
        _sun(number, line, scene) if line.kind == SUN else _region(number, line, scene, kind)
        for number, line in enumerate(line for line in lines if line.use)
    )


def viewpoint(scene: bpy.types.Scene) -> Vector:
    """Return where directions are seen from: the scene's camera, without one the 3D cursor."""
    place = scene.camera.matrix_world.translation if scene.camera is not None else scene.cursor.location
    return place.copy()


def azimuth_and_elevation(toward: Vector) -> tuple[float, float]:
    """Return the place in the picture, in degrees, of a direction in the scene."""
    azimuth = math.degrees(math.atan2(toward.y, toward.x)) - 90.0
    elevation = math.degrees(math.asin(max(-1.0, min(1.0, toward.z / toward.length))))
    return math.remainder(azimuth, 360.0), elevation


def direction(azimuth: float, elevation: float) -> Vector:
    """Return the direction in the scene, a unit vector, of a place in the picture in degrees."""
    a, e = math.radians(azimuth + 90.0), math.radians(elevation)
    return Vector((math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)))


def from_spec(lines, wanted: tuple[guides.Guide, ...], scene: bpy.types.Scene, kind: str) -> None:
    """Set the guides to those of a spec, each with a new Empty where it was.

    A region that a mask picture places has no handle in a scene, nor has one of a plate, whose camera is not
    known: they are left out.
    """
    lines.clear()
    for guide in wanted:
        if isinstance(guide, guides.Region) and (guide.mask or kind == "plate"):
            continue
        line = lines.add()
        line.strength = guide.strength
        if isinstance(guide, guides.Region):
            (azimuth, elevation), radius, _feather = guide.cap("sphere")
            line.kind, line.prompt, line.negative = REGION, guide.prompt, guide.negative
            line.target = new_handle(scene, REGION, azimuth, elevation, radius)
        else:
            line.kind = SUN
            if guide.azimuth is not None and guide.elevation is not None:
                line.target = new_handle(scene, SUN, guide.azimuth, guide.elevation)


def new_handle(
    scene: bpy.types.Scene, kind: str, azimuth: float, elevation: float, radius: float = RADIUS_DEG
) -> bpy.types.Object:
    """Return a new Empty in the scene that stands for a guide; angles in degrees."""
    handle = bpy.data.objects.new(f"Syncscape {kind.title()}", None)
    handle.empty_display_type = "SPHERE" if kind == REGION else "PLAIN_AXES"
    if kind == REGION:
        handle.empty_display_size = DISTANCE * math.tan(math.radians(min(radius, MOST_HANDLE_DEG)))
    handle.location = viewpoint(scene) + DISTANCE * direction(azimuth, elevation)
    scene.collection.objects.link(handle)
    handle.matrix_world.translation = handle.location  # asked for before the scene is evaluated again
    return handle


def ahead_of(scene: bpy.types.Scene) -> float:
    """Return the azimuth in degrees that the scene's camera looks at, 0 without one."""
    if scene.camera is None:
        return 0.0
    azimuth, _ = azimuth_and_elevation(scene.camera.matrix_world.to_3x3() @ Vector((0.0, 0.0, -1.0)))
    return azimuth


def _sun(number: int, line: SyncscapeGuide, scene: bpy.types.Scene) -> guides.Sun:
    if line.target is None:
        return guides.Sun(strength=line.strength)
    if line.target.type == "LIGHT":
        toward = line.target.matrix_world.to_3x3() @ Vector((0.0, 0.0, 1.0))  # a lamp shines along -Z
    else:
        toward = _toward(number, line, scene)
    azimuth, elevation = azimuth_and_elevation(toward)
    return guides.Sun(azimuth=azimuth, elevation=elevation, strength=line.strength)


def _region(number: int, line: SyncscapeGuide, scene: bpy.types.Scene, kind: str) -> guides.Region:
    toward = _toward(number, line, scene)
    size = line.target.empty_display_size * max(line.target.matrix_world.to_scale())
    texts = {"prompt": line.prompt.strip(), "negative": line.negative.strip()}
    strength = min(1.0, line.strength)
    if kind == "plate":
        if scene.camera is None:
            raise SpecError(
                f"guides[{number}].target",
                line.target.name,
                "is seen by no camera",
                "Add a camera to the scene.",
            )
        x, y, depth = world_to_camera_view(scene, scene.camera, line.target.matrix_world.translation)
        if depth <= 0.0:
            raise SpecError(
                f"guides[{number}].target",
                line.target.name,
                "is behind the camera",
                "Move it into the frame.",
            )
        tall = 2.0 * depth * math.tan(scene.camera.data.angle_y / 2.0)
        return guides.Region(x=x, y=1.0 - y, radius=size / tall, strength=strength, **texts)
    azimuth, elevation = azimuth_and_elevation(toward)
    radius = math.degrees(math.atan2(size, toward.length))
    return guides.Region(azimuth=azimuth, elevation=elevation, radius=radius, strength=strength, **texts)


def _toward(number: int, line: SyncscapeGuide, scene: bpy.types.Scene) -> Vector:
    if line.target is None:
        raise _misplaced(
            number,
            line,
            "the guide has no object, or it was deleted",
            "Choose an Empty, or switch the guide off.",
        )
    toward = line.target.matrix_world.translation - viewpoint(scene)
    if toward.length < NEAREST:
        raise _misplaced(
            number, line, "stands where the camera stands", "Move it to where the guide should be."
        )
    return toward


def _misplaced(number: int, line: SyncscapeGuide, problem: str, remedy: str) -> SpecError:
    return SpecError(f"guides[{number}].target", line.target and line.target.name, problem, remedy)


register, unregister = bpy.utils.register_classes_factory((SyncscapeGuide,))
