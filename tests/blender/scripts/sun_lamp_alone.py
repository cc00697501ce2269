# SPDX-License-Identifier: GPL-3.0-or-later
"""A saved file with a Sun lamp from its World, opened without the extension: the lamp still follows."""

import math

import bpy
import harness
from mathutils import Euler, Vector

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.preferences.filepaths.use_scripts_auto_execute = False
assert harness.NAME not in bpy.context.preferences.addons
bpy.ops.wm.open_mainfile(filepath=str(harness.HOME / "lamp.blend"), use_scripts=False)
lamp = next(item for item in bpy.context.scene.objects if item.type == "LIGHT")
nodes = bpy.context.scene.world.node_tree.nodes
for angles, strength in (((0.0, 0.0, 2.5), 0.7), ((0.3, 0.1, -1.0), 4.0)):
    nodes["Syncscape Mapping"].inputs["Rotation"].default_value = angles
    nodes["Syncscape Background"].inputs["Strength"].default_value = strength
    seen = lamp.evaluated_get(bpy.context.evaluated_depsgraph_get())
    toward = seen.matrix_world.to_3x3() @ Vector((0.0, 0.0, 1.0))
    wanted = Euler(angles).to_matrix().inverted() @ Vector(harness.GIVEN["direction"])
    assert math.degrees(toward.angle(wanted)) < 0.3, (angles, toward, wanted)
    assert math.isclose(seen.data.energy, strength * harness.GIVEN["energy"], rel_tol=1e-4), seen.data.energy
harness.leave()
