# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a prompt becomes a World in real Blender, and lights two balls.

Run by ``make demo`` in a Python that has bpy. Installs the extension's zip into a user folder of its
own, calls the operator as ``-b`` would, applies the World, renders, and says where everything is.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

log = logging.getLogger("demo")
NAME = "bl_ext.user_default.syncscape"
PROMPT = "desert at sunset, low warm sun, red sand"
MATERIALS = {
    "Mirror": {"Metallic": 1.0, "Roughness": 0.02, "Base Color": (0.95, 0.95, 0.95, 1)},
    "Diffuse": {"Metallic": 0.0, "Roughness": 1.0, "Base Color": (0.6, 0.6, 0.6, 1)},
}


def main() -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zip", type=Path, required=True, help="the extension")
    parser.add_argument("--engine-python", type=Path, required=True, help="a Python with torch and diffusers")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the pictures")
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--width", default="1024", choices=("512", "1024", "2048", "4096", "8192"))
    parser.add_argument("--samples", type=int, default=32)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="syncscape-demo-") as user:
        os.environ["BLENDER_USER_RESOURCES"] = user  # before bpy is imported: the user's own stays as it is
        try:
            files = _demo(options)
        except (RuntimeError, OSError) as error:
            log.error("The demo failed: %s", error)
            return 1
    log.info("\nThere it is:")
    for file in files:
        log.info("  %-24s %6.0f KiB", file, file.stat().st_size / 1024)
    return 0


def _demo(options: argparse.Namespace) -> list[Path]:
    import bpy

    log.info("Blender %s, %s", bpy.app.version_string, options.zip.name)
    bpy.ops.extensions.package_install_files(
        filepath=str(options.zip.resolve()), repo="user_default", enable_on_install=True
    )
    if NAME not in bpy.context.preferences.addons:
        raise RuntimeError(f"Blender did not enable {options.zip}.")
    # A virtual environment's Python is a link: its path must stay as it is.
    preferences = bpy.context.preferences.addons[NAME].preferences
    preferences.engine_python = os.path.abspath(options.engine_python)
    preferences.library = os.path.join(os.environ["BLENDER_USER_RESOURCES"], "library")  # not the user's own
    settings = bpy.context.scene.syncscape
    settings.prompt, settings.kind, settings.world_size = options.prompt, "world", options.width
    settings.seed, settings.lock_seed = 7, True
    log.info("Making “%s”, %s pixels wide, with the draft model …", options.prompt, options.width)
    bpy.ops.syncscape.generate(apply=True)
    world = bpy.context.scene.world
    texture = next(node for node in world.node_tree.nodes if node.bl_idname == "ShaderNodeTexEnvironment")
    made = Path(texture.image.filepath).parent

    files = [options.out / name for name in ("world.exr", "preview.png", "render.png", "demo.blend")]
    for file in files[:2]:
        shutil.copyfile(made / file.name, file)
    texture.image.filepath = str(files[0].resolve())
    texture.image.reload()
    build_scene(bpy)
    log.info("Rendering …")
    render(bpy, files[2], options.samples)
    bpy.ops.wm.save_as_mainfile(filepath=str(files[3].resolve()), relative_remap=True)
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise RuntimeError(f"These were not written: {', '.join(missing)}.")
    return files


def build_scene(bpy: Any) -> None:
    """Put a mirror ball and a diffuse ball on a ground that only catches their shadows."""
    scene = bpy.context.scene
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    for x, (name, values) in zip((-1.15, 1.15), MATERIALS.items(), strict=True):
        bpy.ops.mesh.primitive_uv_sphere_add(segments=96, ring_count=48, location=(x, 0, 1))
        ball = bpy.context.object
        ball.name = f"{name} Ball"
        bpy.ops.object.shade_smooth()
        material = bpy.data.materials.new(name)
        if bpy.app.version < (5, 0, 0):
            material.use_nodes = True
        shader = material.node_tree.nodes["Principled BSDF"]
        for socket, value in values.items():
            shader.inputs[socket].default_value = value
        ball.data.materials.append(material)
    bpy.ops.mesh.primitive_plane_add(size=40)
    ground = bpy.context.object
    ground.name = "Shadow Ground"
    ground.is_shadow_catcher = True
    ground.visible_glossy = False  # the mirror shows the World's own ground
    bpy.ops.object.camera_add(location=(0, -8.5, 1.7), rotation=(1.53, 0, 0))
    scene.camera = bpy.context.object
    scene.camera.data.lens = 40


def render(bpy: Any, file: Path, samples: int) -> None:
    """Render the scene with Cycles on the CPU."""
    import _cycles

    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = _cycles.with_openimagedenoise
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 640, 360, 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(file.resolve())
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    sys.exit(main())
