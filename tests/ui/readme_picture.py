# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes docs/images/panel.png: the panel in a real window, with a World of the bundled model installed.

Run ``make zip``, ``tests/ui/rootfs.sh build`` and ``python -m tests.ui.readme_picture``.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.ui.extension import not_here, opened, over_the_view, start
from tests.ui.window import REPO, BlenderWindow

PICTURE = REPO / "docs" / "images" / "panel.png"
SIZE = (1240, 720)
SCENE = """
import math
from mathutils import Euler, Vector
for item in list(bpy.data.objects):
    if item.type != "CAMERA":
        bpy.data.objects.remove(item)
def ball(x, radius, metallic, roughness, colour):
    bpy.ops.mesh.primitive_uv_sphere_add(segments=96, ring_count=48, radius=radius, location=(x, 0, radius))
    item = bpy.context.object
    bpy.ops.object.shade_smooth()
    material = bpy.data.materials.new("Ball")
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Metallic"].default_value = metallic
    shader.inputs["Roughness"].default_value = roughness
    item.data.materials.append(material)
    item.select_set(False)
with bpy.context.temp_override(**view()):
    ball(-1.25, 1.0, 1.0, 0.02, (0.95, 0.95, 0.95))
    ball(1.05, 1.0, 0.0, 0.55, (0.80, 0.78, 0.74))
bpy.context.view_layer.objects.active = None
space = view()["area"].spaces.active
space.overlay.show_overlays = False
space.show_gizmo = False
space.show_region_toolbar = False
space.lens = 28
space.region_3d.view_rotation = Euler((math.radians(88), 0, 0)).to_quaternion()
space.region_3d.view_location = Vector((0.75, 0, 1.35))
space.region_3d.view_distance = 4.6
bpy.context.scene.view_settings.view_transform = "Standard"
space.shading.type = "RENDERED"
bpy.context.scene.eevee.taa_samples = 32
"""


def main() -> int:
    """Generate with the panel's own button, and keep the window's picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", default="desert at sunset, low sun, red rocks")
    parser.add_argument("--size", default="1024", choices=("512", "1024", "2048", "4096"))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--suite", default="trixie", choices=("trixie", "sid"))
    options = parser.parse_args()
    reason = not_here(options.suite)
    if reason:
        print(reason, file=sys.stderr)  # noqa: T201
        return 1
    with opened(options.suite, REPO / "out" / "ui" / "user", SIZE) as window:
        window.run(SCENE)
        window.run("1", timeout=400)  # the first rendered view compiles its shaders
        start(window, prompt=options.prompt, world_size=options.size, seed=options.seed, lock_seed=True)
        window.wait_until("link.job is None", timeout=1800)
        problem = window.run("str(link.error or '')")
        if problem:
            print(problem, file=sys.stderr)  # noqa: T201
            return 1
        keep(window)
    return 0


def keep(window: BlenderWindow) -> None:
    """Wait until the view has settled and save the picture of the 3D view with its sidebar."""
    over_the_view(window)
    time.sleep(15)
    window.run("view()['area'].tag_redraw()")
    window.run("1", timeout=120)
    x, y, width, height = window.run("a = view()['area']; answer = (a.x, a.y, a.width, a.height)")
    window.screenshot(PICTURE, (x, window.size[1] - y - height, width, height))
    window.inside("convert", PICTURE, "-strip", "-define", "png:compression-level=9", PICTURE)


if __name__ == "__main__":
    raise SystemExit(main())
