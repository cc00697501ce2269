# SPDX-License-Identifier: CC0-1.0
"""Distances of the panoramas' scenes, made again from their seeds: one sample a pixel, no light.

    python -m training.generator.depth --records INDEX.jsonl --out DIR

For each record a file ``ID.npz`` whose ``distance`` is float16 [256, 512], in metres along the ray from the
camera, 0 where nothing stands; in the orientation of the panoramas. Families without a skyline are left
out, and records whose scene does not come out as their facts say (another version of the generator), which is
told. Finished files are skipped, so a run can be stopped and resumed. Needs what ``render_panoramas`` needs;
any Blender from 4.5 does, as no sky is baked.
"""

import argparse
import json
import logging
import os
import time

import bpy
import numpy as np

from training.generator import scenes, sky
from training.generator.render_panoramas import SEED
from training.generator.stage import H, W, render

WIDTH, HEIGHT = 512, 256
FAMILIES = (
    "mountains",
    "city",
    "canyon",
    "forest",
    "lake",
    "desert",
    "arctic",
    "beach",
    "meadow",
    "volcanic",
    "starry",
    "ocean",
)
"""Those with a skyline."""
log = logging.getLogger(__name__)


def show_distances():
    """Have every surface shine with its distance from the camera."""
    scene = bpy.context.scene
    material = bpy.data.materials.new("distance")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    camera, light, out = (
        nodes.new("ShaderNodeCameraData"),
        nodes.new("ShaderNodeEmission"),
        nodes.new("ShaderNodeOutputMaterial"),
    )
    links.new(camera.outputs["View Distance"], light.inputs["Color"])
    links.new(light.outputs[0], out.inputs["Surface"])
    material.cycles.emission_sampling = "NONE"
    scene.view_layers[0].material_override = material
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 0
    scene.cycles.filter_width = 0.01


def distances(number, family, threads):
    """The distances [256, 512] of a panorama's scene and the scene's facts."""
    rng = np.random.default_rng(SEED + number * 7919)
    sky.bake_sky = lambda *_: np.full((H, W, 3), 0.2, np.float32)  # light does not matter, and draws nothing
    shot = scenes.FAMILIES[family][0](rng, threads)
    show_distances()
    rgba = render(WIDTH, HEIGHT)
    return np.where(rgba[..., 3] > 0.5, rgba[..., 0], 0.0), shot.facts


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--records", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    os.makedirs(a.out, exist_ok=True)
    with open(a.records, encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    # families in turns, so that a run that is stopped has some of each
    waiting = {family: [r for r in records if r["scene"] == family] for family in FAMILIES}
    turns = [r for row in zip(*map(_padded(waiting), FAMILIES), strict=True) for r in row if r is not None]
    began = time.time()
    for record in turns:
        path = os.path.join(a.out, record["id"] + ".npz")
        if os.path.exists(path):
            continue
        if time.time() - began > 60 * a.minutes:
            break
        t = time.time()
        found, facts = distances(int(record["id"]), record["scene"], a.threads)
        height, wanted = facts.get("camera_height", 0.0), record["details"].get("camera_height", 0.0)
        if abs(height - wanted) > 0.002:
            log.warning("panorama %s comes out otherwise: camera at %s, not %s", record["id"], height, wanted)
            continue
        part = f"{path}.{os.getpid()}.npz"
        np.savez_compressed(part, distance=found.astype(np.float16))
        os.replace(part, path)
        log.info("panorama %s %s: %.1f s", record["id"], record["scene"], time.time() - t)


def _padded(waiting):
    longest = max(map(len, waiting.values()))
    return lambda family: waiting[family] + [None] * (longest - len(waiting[family]))


if __name__ == "__main__":
    main()
