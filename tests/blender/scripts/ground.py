# SPDX-License-Identifier: GPL-3.0-or-later
"""Ground from World: seamless from the camera height, straight from elsewhere, in shadow; one click away."""

import math

import bpy
import harness
import numpy as np
from mathutils import Vector
from skies import add_disc, blue_sky, directions, world_of

harness.install()
world_module, ground = harness.module("scene.world"), harness.module("scene.ground")
HEIGHT, SIDE, TILE = 1.6, 96, 2.0
sun = Vector((0.5, 0.2, 0.6)).normalized()


def checkers(rows: int) -> np.ndarray:
    """Return a panorama of tiles on level ground, seen from HEIGHT, under a clear sky with a sun."""
    rays = directions((np.arange(rows) + 0.5) / rows, (np.arange(2 * rows) + 0.5) / (2 * rows))
    away = HEIGHT / np.maximum(-rays[..., 2], 1e-6)
    x, y = rays[..., 0] * away, rays[..., 1] * away
    light = (np.floor(x / TILE) + np.floor(y / TILE)) % 2 > 0
    tiles = np.where(light[..., None], [0.5, 0.45, 0.4], [0.1, 0.12, 0.1])
    tiles = np.where((np.hypot(x, y) > 20.0)[..., None], 0.25, tiles)
    picture = np.where((rays[..., 2] < 0)[..., None], tiles, blue_sky(2 * rows)).astype(np.float32)
    add_disc(picture, sun, np.array([3.0, 2.8, 2.5]))
    return picture


scene = bpy.context.scene
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
scene.collection.objects.link(camera)
scene.camera = camera
scene.render.engine = "CYCLES"
scene.cycles.use_denoising, scene.cycles.use_adaptive_sampling = False, False
scene.cycles.samples = 32
scene.render.resolution_x = scene.render.resolution_y = SIDE
scene.render.image_settings.file_format = "OPEN_EXR"
scene.render.filepath = str(harness.HOME / "ground.exr")
world = world_of(world_module, "checkers", checkers(1024), 1.3, 0.0)


def render() -> np.ndarray:
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(scene.render.filepath, check_existing=False)
    values = np.array(picture.pixels[:]).reshape(SIDE, SIDE, 4)[::-1, :, :3]
    bpy.data.images.remove(picture)
    return values


def means(picture: np.ndarray) -> np.ndarray:
    return picture.reshape(12, 8, 12, 8, 3).mean(axis=(1, 3))


# From the camera height: the same picture as without it, however the World is turned.
camera.location, camera.data.angle = (0.0, 0.0, HEIGHT), math.radians(80)
camera.rotation_euler = (math.radians(70), 0.0, 0.4)
without = render()
bpy.ops.ed.undo_push(message="before")
assert bpy.ops.syncscape.add_ground("EXEC_DEFAULT", True, height=HEIGHT) == {"FINISHED"}
disc = ground.of(scene)
seam = float(np.abs(means(render()) / means(without) - 1.0).max())
assert seam < 0.06, f"the ground is off by {seam:.1%}"
world_module.controls(world).rotation.default_value[2] = 1.1
turned = render()
disc.hide_render = True
assert np.abs(means(turned) / means(render()) - 1.0).max() < 0.06, "it follows the World's rotation"
disc.hide_render = False
world_module.controls(world).rotation.default_value[2] = 0.0

# From straight above: the tiles' edges lie where they lie in the world, within 1 % of the picture's width.
camera.data.type, camera.data.ortho_scale = "ORTHO", 8.0
camera.location, camera.rotation_euler = (TILE / 2, TILE / 2, 5.0), (0.0, 0.0, 0.0)
above = render().mean(axis=-1)
across = (np.arange(SIDE) + 0.5) / SIDE * 8.0 - 4.0
wanted = np.floor((across[None] + TILE / 2) / TILE) + np.floor((-across[:, None] + TILE / 2) / TILE)
bright = above > (above.min() + above.max()) / 2
agree = float((bright == (wanted % 2 > 0)).mean())
assert agree > 0.96, f"{agree:.1%} of the pixels are the tile's that is there"
worst = 0.0
for row in bright[SIDE // 16 :: SIDE // 4]:  # in the middles of tiles
    edges = across[np.nonzero(row[1:] != row[:-1])[0]] + 4.0 / SIDE
    lines = np.round((edges + TILE / 2) / TILE) * TILE - TILE / 2
    worst = max(worst, float(np.abs(edges - lines).max()) / 8.0)
assert worst < 0.01, f"an edge is off by {worst:.2%} of the width"

# A cube throws a shadow away from the sun; a copy of the scene's file keeps everything.
bpy.ops.mesh.primitive_cube_add(size=1.0, location=(TILE / 2, TILE / 2, 0.5))
shadow = render().mean(axis=-1) / above
toward = Vector((-sun.x, -sun.y)).normalized() * 1.1  # the middle of the shadow, in scene units
column, row = int((toward.x / 8.0 + 0.5) * SIDE), int((0.5 - toward.y / 8.0) * SIDE)
depth = float(shadow[row - 2 : row + 3, column - 2 : column + 3].mean())
assert depth < 0.75, f"{depth:.2f} of the light is left in the shadow"
opposite = float(shadow[SIDE - row - 3 : SIDE - row + 2, SIDE - column - 3 : SIDE - column + 2].mean())
assert opposite > 0.8, opposite

# Twice is once; height by a number; away again, and by undo.
assert bpy.ops.syncscape.add_ground(height=3.0) == {"FINISHED"}
assert [item for item in scene.objects if item.name.startswith("Syncscape Ground")] == [ground.of(scene)]
assert ground.height_socket(ground.of(scene)).default_value == 3.0
assert bpy.ops.syncscape.remove_ground() == {"FINISHED"}
assert ground.of(scene) is None
assert not [item for item in bpy.data.materials if item.name.startswith("Syncscape Ground")]
assert "no ground" in harness.error_of(lambda: bpy.ops.syncscape.remove_ground())
scene.world = None
assert "has no World" in harness.error_of(lambda: bpy.ops.syncscape.add_ground())
harness.tell(seam=seam, agree=agree, worst=worst, depth=depth)
harness.leave()
