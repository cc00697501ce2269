# SPDX-License-Identifier: GPL-3.0-or-later
"""Sun lamp from World: direction, width, colour, strength; the same light in renders; no sun twice."""

import math

import bpy
import harness
import numpy as np
from mathutils import Euler, Matrix, Vector
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

# Twice makes no second lamp and changes nothing.
world = bpy.context.scene.world
nodes = len(world.node_tree.nodes)
energy = lamp.data.energy
assert bpy.ops.syncscape.sun_lamp() == {"FINISHED"}
assert lamps() == [lamp]
assert len(world.node_tree.nodes) == nodes
assert math.isclose(lamp.data.energy, energy, rel_tol=1e-5)


# The lamp follows the World's fields, around every axis, without a handler or a permission to run scripts.
def shines() -> tuple[Vector, float]:
    """Return the direction towards the sun and its strength, as a render sees them."""
    state = bpy.context.evaluated_depsgraph_get()
    seen = lamps()[0].evaluated_get(state)
    return seen.matrix_world.to_3x3() @ Vector((0.0, 0.0, 1.0)), seen.data.energy


def follows(rotation: Euler, strength: float) -> None:
    """Fail unless the lamp stands where a World of this rotation shows the sun, and is as strong."""
    toward, power = shines()
    assert math.degrees(toward.angle(rotation.to_matrix().inverted() @ direction)) < 0.3, rotation
    assert math.isclose(power, strength / STRENGTH * energy, rel_tol=1e-4), (power, strength)


drivers = [*lamp.animation_data.drivers, *lamp.data.animation_data.drivers]
assert len(drivers) == 4
assert all(curve.driver.is_simple_expression for curve in drivers)
for angles, strength in (((0.0, 0.0, TURN + 0.5), 0.5), ((0.2, -0.4, -2.0), 3.0), ((0.0, 0.0, TURN), 0.0)):
    controls = world_module.controls(world)
    controls.rotation.default_value = angles
    controls.strength.default_value = strength
    follows(Euler(angles), strength)
world_module.controls(world).strength.default_value = 2.0 * STRENGTH
assert np.abs(stage.render() / (2.0 * after) - 1.0).max() < 0.02, "twice the strength, twice the light"
world_module.controls(world).strength.default_value = STRENGTH
bpy.ops.ed.undo_push(message="as it was")
world_module.controls(world).rotation.default_value[2] = TURN - 1.0
bpy.ops.ed.undo_push(message="turned")
follows(Euler((0.0, 0.0, TURN - 1.0)), STRENGTH)
assert bpy.ops.ed.undo() == {"FINISHED"}
follows(Euler((0.0, 0.0, TURN)), STRENGTH)
(lamp,), world = lamps(), bpy.context.scene.world  # undo has replaced them
stage.camera = bpy.context.scene.camera
stage.camera.rotation_euler = (math.pi / 2, 0.0, -math.pi / 2)  # it looks along +X
bpy.context.view_layer.update()
assert bpy.ops.syncscape.face_camera() == {"FINISHED"}
now, _ = shines()
assert abs(math.remainder(math.atan2(now.y, now.x) - AZIMUTH, math.tau)) < 0.01, "turning the World turns it"
bpy.ops.wm.save_as_mainfile(filepath=str(harness.HOME / "lamp.blend"), copy=True)

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
harness.tell(worst=worst, off=off, light=shone, direction=list(direction), energy=energy / STRENGTH)
harness.leave()
