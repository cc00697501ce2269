# SPDX-License-Identifier: GPL-3.0-or-later
"""Where guides are: directions from the viewpoint to objects of the scene, and new Empties for them.

A picture's centre lies at +Y once it is applied, so what stands at +Y has the azimuth 0.
"""

from __future__ import annotations

import math

import bpy
from mathutils import Vector

from ..sync_engine.interface import guides

DISTANCE, RADIUS_DEG, MOST_HANDLE_DEG = 10.0, 20.0, 80.0
"""A new handle stands so far from the viewpoint; a region looks so large from there, and at most so large."""
VIEWPOINT_ITEMS = (
    ("CAMERA", "Camera", "From the scene's camera, without one from the 3D cursor", "CAMERA_DATA", 0),
    ("OBJECT", "Object", "From an object's origin", "OBJECT_ORIGIN", 1),
    ("CURSOR", "3D Cursor", "From the 3D cursor", "PIVOT_CURSOR", 2),
)


def viewpoint(scene: bpy.types.Scene) -> Vector:
    """Return where directions are seen from, as the scene's settings say.

    A camera or an object that is not there any more is stood in for by the 3D cursor.
    """
    settings = scene.syncscape
    item = {"CAMERA": scene.camera, "OBJECT": settings.viewpoint_object}.get(settings.viewpoint)
    place = item.matrix_world.translation if item is not None else scene.cursor.location
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


def new_handle(
    scene: bpy.types.Scene, kind: str, azimuth: float, elevation: float, radius: float = RADIUS_DEG
) -> bpy.types.Object:
    """Return a new Empty in the scene that stands for a guide; angles in degrees."""
    handle = bpy.data.objects.new(f"Syncscape {kind.title()}", None)
    handle.empty_display_type = "SPHERE" if kind == guides.Region.type else "PLAIN_AXES"
    if kind == guides.Region.type:
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
