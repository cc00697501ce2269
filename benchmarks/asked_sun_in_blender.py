# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the demo's two balls under Worlds with Cycles, for ``benchmarks.asked_sun``; needs bpy.

    python -m benchmarks.asked_sun_in_blender JOBS

``JOBS`` is a JSON list of ``{"world": EXR, "picture": PNG}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy

from demo.run_demo import build_scene, render

SAMPLES = 64


def main() -> None:
    """Render every World of the jobs."""
    bpy.ops.wm.read_factory_settings()
    build_scene(bpy)
    world = bpy.context.scene.world
    if bpy.app.version < (5, 0, 0):  # later ones always have nodes
        world.use_nodes = True
    texture = world.node_tree.nodes.new("ShaderNodeTexEnvironment")
    background = world.node_tree.nodes["Background"]
    world.node_tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        texture.image = bpy.data.images.load(job["world"])
        render(bpy, Path(job["picture"]), SAMPLES)


if __name__ == "__main__":
    main()
