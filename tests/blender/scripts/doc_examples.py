# SPDX-License-Identifier: GPL-3.0-or-later
"""Run examples of the documentation, each in a new file; a failed one is named by its place."""

import sys

import bpy
import harness

harness.install()
done = []
for place, source in harness.GIVEN["examples"]:
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.context.scene.world = bpy.data.worlds.new("World")
    sys.stdout.write(f"example {place}\n")
    if "face_camera" in source:  # needs somebody who looks
        camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        camera.rotation_euler.x = 1.5
        bpy.context.scene.collection.objects.link(camera)
        bpy.context.scene.camera = camera
        bpy.context.view_layer.update()
    exec(compile(source, place, "exec"), {"__name__": "__main__"})
    done.append(place)
harness.tell(done=done)
harness.leave()
