# SPDX-License-Identifier: GPL-3.0-or-later
"""The sun of an applied World throws its shadow in Cycles, and few samples find it."""

from pathlib import Path

import bpy
import harness
from shadow import Ground, darkness, sunlit

harness.install()
world_module = harness.module("scene.world")
ground = Ground(harness.HOME / "ground.exr")
sun, told = harness.GIVEN["toward"], {}
for name in ("sun", "ldr"):
    given = harness.GIVEN[name]
    world = world_module.apply_world(
        bpy.context.scene, Path(given["file"]), name, "", rotation=0.0, light=given["light"]
    )
    many = ground.render("CYCLES", 64)
    told[name] = darkness(many, sun)
    if name == "sun":
        told["found"] = sunlit(ground.render("CYCLES", 8), sun) / sunlit(many, sun)
        world.cycles.sampling_method = "NONE"
        told["found without"] = sunlit(ground.render("CYCLES", 8), sun) / sunlit(many, sun)
harness.tell(**told)
harness.leave()
