# SPDX-License-Identifier: GPL-3.0-or-later
"""Guides of a scene: objects become places in the picture; lost ones are told; undo; settings reused."""

import math

import bpy
import harness
from mathutils import Vector

harness.install()
guides = harness.module("settings.guides")
interface = harness.module("sync_engine.interface.guides")
scene = bpy.context.scene
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.location, camera.rotation_euler = (1.0, 2.0, 1.5), (math.pi / 2, 0.0, 0.0)  # it looks along +Y
scene.collection.objects.link(camera)
scene.camera = camera
bpy.context.view_layer.update()
settings = harness.settings(prompt="a wide desert", kind="world")


def close(found: float | None, wanted: float, off: float = 0.01) -> bool:
    return found is not None and abs(math.remainder(found - wanted, 360.0)) < off


# A new region stands before the camera; moved, it is where its Empty is, as large as its sphere looks.
bpy.ops.ed.undo_push(message="before")
assert bpy.ops.syncscape.add_guide("EXEC_DEFAULT", True, kind="region") == {"FINISHED"}
line = settings.guides[0]
line.prompt = "a stone church"
(region,) = settings.to_spec().guides
assert isinstance(region, interface.Region)
assert close(region.azimuth, 0.0), region
assert close(region.elevation, 0.0), region
assert close(region.radius, 20.0), region
assert settings.to_spec().validated().guides == (region,)
line.target.location = Vector((1.0, 2.0, 1.5)) + Vector((-10.0, 0.0, 10.0))  # left of the camera, 45° up
line.target.scale = (2.0, 2.0, 2.0)
bpy.context.view_layer.update()
(region,) = settings.to_spec().guides
assert close(region.azimuth, 90.0), "counter-clockwise from above is to the left"
assert close(region.elevation, 45.0), region
wide = math.degrees(math.atan(2 * 10 * math.tan(math.radians(20)) / math.hypot(10, 10)))
assert close(region.radius, wide), (region, wide)

# The sun: an Empty's place, or where a lamp's light comes from; without either there is none.
assert bpy.ops.syncscape.add_guide(kind="sun") == {"FINISHED"}
assert settings.active_guide == 1
bpy.context.view_layer.update()
sun = settings.to_spec().guides[1]
assert close(sun.azimuth, 0.0), sun
assert close(sun.elevation, 30.0), sun
lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "SUN"))
scene.collection.objects.link(lamp)
lamp.rotation_euler = Vector((-1.0, 1.0, 1.0)).to_track_quat("Z", "Y").to_euler()  # it shines along -Z
settings.guides[1].target = lamp
bpy.context.view_layer.update()
sun = settings.to_spec().guides[1]
assert close(sun.azimuth, 45.0), sun
assert close(sun.elevation, math.degrees(math.asin(1 / math.sqrt(3)))), sun
settings.guides[1].target = None
assert settings.to_spec().guides[1].azimuth is None, "no sun"
settings.guides[1].use = False
assert len(settings.to_spec().guides) == 1

# Settings of a result bring their handles back to where they were.
wanted = settings.to_spec()
settings.take_spec(wanted)
bpy.context.view_layer.update()
(again,) = settings.to_spec().guides
assert close(again.azimuth, 90.0), again
assert close(again.elevation, 45.0), again
assert close(again.radius, wide), again
assert again.prompt == "a stone church"

# On a plate: where the camera's frame has it.
settings.kind = "plate"
settings.guides[0].target.location = camera.location + Vector((0.0, 20.0, 0.0))
bpy.context.view_layer.update()
(flat,) = settings.to_spec().guides
assert close(flat.x, 0.5, 1e-3), flat
assert close(flat.y, 0.5, 1e-3), flat
assert 0.0 < flat.radius < 1.0
settings.guides[0].target.location = camera.location + Vector((0.0, -20.0, 0.0))
bpy.context.view_layer.update()
assert "behind the camera" in str(harness.raised(settings.to_spec))
settings.kind = "world"

# A deleted object, one where the camera stands: words, and nothing lost.
settings.guides[0].target.location = camera.location
bpy.context.view_layer.update()
assert "stands where the camera stands" in str(harness.raised(settings.to_spec))
bpy.data.objects.remove(settings.guides[0].target)
assert "has no object, or it was deleted" in str(harness.raised(settings.to_spec))
told = harness.error_of(lambda: bpy.ops.syncscape.generate())
assert "it was deleted" in told, told
assert settings.guides[0].prompt == "a stone church"

# Order, removal, undo, a copied scene.
assert bpy.ops.syncscape.add_guide(kind="sun") == {"FINISHED"}
assert bpy.ops.syncscape.move_guide(way="UP") == {"FINISHED"}
assert [item.kind for item in settings.guides] == ["sun", "region"]
assert bpy.ops.syncscape.move_guide(way="UP") == {"CANCELLED"}
assert bpy.ops.syncscape.remove_guide() == {"FINISHED"}
assert [item.kind for item in settings.guides] == ["region"]
copy = scene.copy()
assert [item.prompt for item in copy.syncscape.guides] == ["a stone church"]
assert bpy.ops.syncscape.remove_guide() == {"FINISHED"}
assert "no guide" in harness.error_of(lambda: bpy.ops.syncscape.remove_guide())
bpy.ops.ed.undo_push(message="empty")
assert bpy.ops.syncscape.add_guide("EXEC_DEFAULT", True, kind="region") == {"FINISHED"}
handles = len(bpy.data.objects)
assert bpy.ops.ed.undo() == {"FINISHED"}
assert len(bpy.context.scene.syncscape.guides) == 0
assert len(bpy.data.objects) == handles - 1, "its Empty goes with it"
harness.leave()
