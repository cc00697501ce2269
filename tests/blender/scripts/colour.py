# SPDX-License-Identifier: GPL-3.0-or-later
"""A World has its picture's colour under every view of Blender's configuration and in every working space."""

import bpy
import harness
import numpy as np
from skies import world_of

harness.install()
world_module, sizes = harness.module("scene.world"), harness.module("scene.sizes")
backdrop = harness.module("scene.backdrop")
COLOUR, SIDE = (0.42, 0.2, 0.09), 16
VIEWS = ("Standard", "Filmic", "AgX", "Khronos PBR Neutral", "ACES 1.3", "ACES 2.0")
scene = bpy.context.scene
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)

camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.data.type, camera.data.ortho_scale, camera.location.z = "ORTHO", 2.0, 5.0
scene.collection.objects.link(camera)
scene.camera = camera
bpy.ops.mesh.primitive_plane_add(size=2.0, location=(-1.0, 0.0, 0.0))  # the left half shines by itself
shining = bpy.data.materials.new("Shining")
if bpy.app.version < (5, 0, 0):
    shining.use_nodes = True
emission = shining.node_tree.nodes.new("ShaderNodeEmission")
emission.inputs["Color"].default_value = (*COLOUR, 1.0)
target = shining.node_tree.get_output_node("ALL").inputs["Surface"]
shining.node_tree.links.new(emission.outputs["Emission"], target)
bpy.context.object.data.materials.append(shining)
scene.render.engine, scene.cycles.samples = "CYCLES", 4
scene.cycles.use_denoising = False
scene.render.resolution_x = scene.render.resolution_y = SIDE
scene.render.image_settings.file_format = "PNG"
scene.render.filepath = str(harness.HOME / "seen.png")
scene.render.dither_intensity = 0.0


def halves() -> tuple[np.ndarray, np.ndarray]:
    """Return the colours, as the PNG has them, of what shines by itself and of the World."""
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(scene.render.filepath, check_existing=False)
    picture.colorspace_settings.name = "Non-Color"
    values = np.array(picture.pixels[:]).reshape(SIDE, SIDE, 4)[..., :3]
    bpy.data.images.remove(picture)
    return values[:, 2:6].mean(axis=(0, 1)), values[:, 10:14].mean(axis=(0, 1))


def check(what: str) -> np.ndarray:
    shines, world = halves()
    assert np.abs(shines - world).max() < 1.5 / 255, f"{what}: {shines} and {world}"
    return world


world = world_of(world_module, "uniform", np.tile(np.array(COLOUR, dtype=np.float32), (1024, 2048, 1)))
seen = {}
for view in VIEWS:
    try:
        scene.view_settings.view_transform = view
    except TypeError:  # this Blender has it not
        continue
    seen[view] = check(view).tolist()
assert len(seen) >= 4
assert "ACES 2.0" in seen or bpy.app.version < (5, 0, 0)
scene.view_settings.view_transform = "Standard"
srgb = [1.055 * value ** (1 / 2.4) - 0.055 for value in COLOUR]
assert np.abs(np.array(seen["Standard"]) - srgb).max() < 1.5 / 255

# The copies: blurred for the camera, small for the viewport.
backdrop.separate(scene)
backdrop.blur(scene.world, 5.0)
check("blurred")
backdrop.join(scene.world)
sizes.set_widths(scene.world, 0, 1024)
check("small")
backdrop.blur(backdrop.separate(scene), 5.0)

# Another working space converts the scene's colours, and the picture's with them.
spaces = {}
if hasattr(bpy.ops.wm, "set_working_color_space") and hasattr(bpy.data, "colorspace"):
    for space in ("ACEScg", "Linear Rec.2020"):
        bpy.ops.wm.set_working_color_space(working_space=space, convert_colors=True)
        assert bpy.data.colorspace.working_space == space
        spaces[space] = check(space).tolist()
        backdrop.join(scene.world)
        sizes.set_widths(scene.world, 0, 0)
        check(f"{space}, full")
        backdrop.blur(backdrop.separate(scene), 7.0 if space == "ACEScg" else 9.0)
        check(f"{space}, blurred there")
        assert np.abs(np.array(spaces[space]) - srgb).max() < 2.5 / 255, (space, spaces[space], srgb)
harness.tell(views=list(seen), spaces=list(spaces))
harness.leave()
