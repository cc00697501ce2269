# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator, blocking as in ``-b``, with Apply: a World out of a prompt."""

import bpy
import harness

harness.install()
values = harness.settings(
    prompt="desert at sunset, low sun", kind="world", world_size="512", steps=4, lock_seed=False
)
before = bpy.context.scene.world
worlds = len(bpy.data.worlds)

assert bpy.ops.syncscape.generate() == {"FINISHED"}
assert bpy.context.scene.world == before, "nothing is applied unless asked for"
result = harness.module("engine.library").results.latest("world")
assert result.image.is_file()
assert result.preview.is_file()
assert result.spec.prompt == "desert at sunset, low sun"
assert values.seed == result.spec.seed, "the seed that was used is shown"

values.lock_seed, values.seed = True, 7
assert bpy.ops.syncscape.generate(apply=True) == {"FINISHED"}
world = bpy.context.scene.world
assert world != before
assert len(bpy.data.worlds) == worlds + 1
assert before.use_fake_user, "the old World stays in the file"
assert harness.module("engine.library").results.latest("world").spec.seed == 7
image = next(node.image for node in world.node_tree.nodes if node.bl_idname == "ShaderNodeTexEnvironment")
assert tuple(image.size) == (512, 256)
assert image.colorspace_settings.name == "Linear Rec.709"
assert image.is_float
harness.tell(total_s=result.timings.get("total"), seed=world["syncscape_result"])
harness.leave()
