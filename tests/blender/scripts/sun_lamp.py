"""Sun lamp from World: direction, width, colour, strength; the same light in renders; no sun twice."""

import math

import bpy
import harness
import numpy as np
from mathutils import Matrix, Vector
from skies import Stage, add_disc, blue_sky, world_of

harness.install()
world_module = harness.module("scene.world")
sun_lamp = harness.module("scene.sun_lamp")
stage = Stage(harness.HOME)

AZIMUTH, ELEVATION, TURN, STRENGTH = 0.7, math.radians(40), 1.1, 1.5
direction = Vector(
    (math.cos(ELEVATION) * math.cos(AZIMUTH), math.cos(ELEVATION) * math.sin(AZIMUTH), math.sin(ELEVATION))
)
picture = blue_sky(1024)
given = np.array([4.0, 3.4, 2.6])
add_disc(picture, direction, given)
world = world_of(world_module, "day", picture, STRENGTH, TURN)


def lamps() -> list[bpy.types.Object]:
    return [item for item in bpy.context.scene.objects if item.type == "LIGHT"]


# The same light before and after: on the ground, on grey balls, in their shadows.
before = stage.render()
bpy.ops.ed.undo_push(message="before")
assert bpy.ops.syncscape.sun_lamp("EXEC_DEFAULT", True) == {"FINISHED"}
(lamp,) = lamps()
bpy.context.view_layer.update()
toward = lamp.matrix_world.to_3x3() @ Vector((0.0, 0.0, 1.0))
turned = Matrix.Rotation(-TURN, 3, "Z") @ direction
off = math.degrees(toward.angle(turned))
assert off < 0.3, f"{off}°"
light = np.array(lamp.data.color) * lamp.data.energy
assert np.allclose(light, given * STRENGTH, rtol=0.03), (light, given * STRENGTH)
assert math.isclose(lamp.data.angle, math.radians(0.533), rel_tol=1e-3), math.degrees(lamp.data.angle)
after = stage.render()
assert before.shape == after.shape
lamp.hide_render = True
without = stage.render()
lamp.hide_render = False
assert without.mean() < 0.7 * after.mean(), "the lamp gives much of the light, the World no longer does"
shone = light.tolist()
worst = float(np.abs(after / before - 1.0).max())
assert worst < 0.05, f"{worst:.1%}"

# Twice makes no second lamp and changes nothing; after a turn the lamp follows.
world = bpy.context.scene.world
nodes = len(world.node_tree.nodes)
energy = lamp.data.energy
assert bpy.ops.syncscape.sun_lamp() == {"FINISHED"}
assert lamps() == [lamp]
assert len(world.node_tree.nodes) == nodes
assert math.isclose(lamp.data.energy, energy, rel_tol=1e-5)
world_module.controls(world).rotation.default_value[2] = TURN + 0.5
assert bpy.ops.syncscape.sun_lamp() == {"FINISHED"}
bpy.context.view_layer.update()
now = lamp.matrix_world.to_3x3() @ Vector((0.0, 0.0, 1.0))
assert abs(math.remainder(math.atan2(now.y, now.x) - math.atan2(toward.y, toward.x) + 0.5, math.tau)) < 0.01
stage.camera.rotation_euler = (math.pi / 2, 0.0, -math.pi / 2)  # it looks along +X
bpy.context.view_layer.update()
assert bpy.ops.syncscape.face_camera() == {"FINISHED"}
bpy.context.view_layer.update()
now = lamp.matrix_world.to_3x3() @ Vector((0.0, 0.0, 1.0))
assert abs(math.remainder(math.atan2(now.y, now.x) - AZIMUTH, math.tau)) < 0.01, "turning the World turns it"

# A deleted lamp comes back; another scene with the same World keeps its sun; a new World puts it away.
with bpy.context.temp_override(selected_objects=[lamp]):
    bpy.ops.object.delete()
assert not lamps()
assert bpy.ops.syncscape.sun_lamp() == {"FINISHED"}
assert len(lamps()) == 1
assert bpy.ops.syncscape.sun_to_world() == {"FINISHED"}
assert not lamps()
assert not sun_lamp.is_replaced(world)
assert len(world.node_tree.nodes) == 5
other = bpy.data.scenes.new("Other")
other.world = world
assert bpy.ops.syncscape.sun_lamp() == {"FINISHED"}
assert bpy.context.scene.world != world
assert not sun_lamp.is_replaced(other.world)
bpy.data.scenes.remove(other)
world_module.apply_world(bpy.context.scene, stage.picture_file, "next", "")
assert not lamps(), "the next World has its own sun"

# One undo step takes all of it away again.
world_of(world_module, "again", picture, 1.0, 0.0)
bpy.ops.ed.undo_push(message="before")
assert bpy.ops.syncscape.sun_lamp("EXEC_DEFAULT", True) == {"FINISHED"}
assert len(lamps()) == 1
assert sun_lamp.is_replaced(bpy.context.scene.world)
assert bpy.ops.ed.undo() == {"FINISHED"}
assert not lamps()
assert not sun_lamp.is_replaced(bpy.context.scene.world)
assert bpy.context.scene.world.name == "again"

# No sun, and worlds that are not understood: words.
night = 0.01 * blue_sky(512)
for azimuth in (0.0, 1.0, 2.0):
    add_disc(night, Vector((math.cos(azimuth), math.sin(azimuth), 0.2)).normalized(), np.ones(3) * 0.05)
world_of(world_module, "night", night)
assert "no sun in this World" in harness.error_of(lambda: bpy.ops.syncscape.sun_lamp())
world_of(world_module, "overcast", np.minimum(blue_sky(512), 1.0))
assert "no sun in this World" in harness.error_of(lambda: bpy.ops.syncscape.sun_lamp())
assert not lamps()
world = world_of(world_module, "moved", picture)
world.node_tree.nodes[world_module.MAPPING].inputs["Location"].default_value[2] = 1.0
assert "more than turn one picture" in harness.error_of(lambda: bpy.ops.syncscape.sun_lamp())
bpy.context.scene.world = bpy.data.worlds.new("plain")
said = harness.error_of(lambda: bpy.ops.syncscape.sun_lamp())
assert "picture" in said, said
bpy.context.scene.world = None
assert "has no World" in harness.error_of(lambda: bpy.ops.syncscape.sun_lamp())

# How EEVEE and Cycles are to find the light in the picture.
image = next(image for image in bpy.data.images if image.name == "day")
for lights, exposure, threshold in ((["sun", "soft"], -1.0, 5.0), (["soft"], 0.0, 0.0), ([], 2.0, 0.0)):
    light = {"lights": [{"kind": kind} for kind in lights], "exposure": exposure}
    world = world_module.new_world("lit", image, light=light)
    assert math.isclose(world.sun_threshold, threshold), (lights, world.sun_threshold)
    assert world.cycles.sampling_method == "AUTOMATIC"
assert world_module.new_world("unknown", image).sun_threshold == 10.0, "Blender's own"
harness.tell(worst=worst, off=off, light=shone)
harness.leave()
