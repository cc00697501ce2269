# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a generated plate behind a camera: in the viewport, and if wanted in the render too."""

from __future__ import annotations

from pathlib import Path

import bpy

from . import compat
from .problems import SceneProblem, Trouble
from .world import RESULT_KEY, load_image

PLATE, SCALE, OVER = "Syncscape Plate", "Syncscape Plate Scale", "Syncscape Plate Over"
FILM_KEY = "syncscape_film_transparent"
"""Custom property of a scene: its film setting from before the plate was rendered."""


def apply_plate(scene: bpy.types.Scene, path: Path, result_id: str, render: bool = False) -> bpy.types.Image:
    """Show a picture behind the scene's camera, filling its frame; replaces an earlier plate.

    Args:
        scene: the scene; raises SceneProblem if it has no camera.
        path: the picture, 8-bit sRGB.
        result_id: where it came from, kept as a custom property of the image.
        render: whether the plate also appears in renders (see ``set_rendered``).

    Returns:
        The image.
    """
    if scene.camera is None or scene.camera.type != "CAMERA":
        raise SceneProblem(Trouble.NO_CAMERA)
    image = load_image(path, result_id, "sRGB")
    camera = scene.camera.data
    for earlier in [item for item in camera.background_images if _is_plate(item)]:
        camera.background_images.remove(earlier)
    background = camera.background_images.new()
    background.image = image
    background.frame_method = "CROP"  # fill the frame, undistorted, as the Scale node does
    background.display_depth = "BACK"
    background.alpha = 1.0
    camera.show_background_images = True
    set_rendered(scene, image if render else None)
    return image


def _is_plate(background: bpy.types.CameraBackgroundImage) -> bool:
    return background.image is not None and RESULT_KEY in background.image


def is_rendered(scene: bpy.types.Scene) -> bool:
    """Tell whether the scene's compositor puts a plate behind the render."""
    tree = compat.compositor_tree(scene)
    return tree is not None and OVER in tree.nodes


def set_rendered(scene: bpy.types.Scene, image: bpy.types.Image | None) -> None:
    """Put ``image`` behind the render through the compositor, or (None) take it out again."""
    if image is None:
        tree = compat.compositor_tree(scene)
        if tree is not None and OVER in tree.nodes:
            _remove_nodes(scene, tree)
        return
    tree = compat.made_compositor_tree(scene)
    if not is_rendered(scene):
        _add_nodes(scene, tree)
    tree.nodes[PLATE].image = image


def _add_nodes(scene: bpy.types.Scene, tree: bpy.types.NodeTree) -> None:
    """Insert plate → scale → over just before the output, whatever came before it."""
    target = compat.compositor_output(tree)
    if target.is_linked:
        rendered = target.links[0].from_socket
    else:
        rendered = tree.nodes.new("CompositorNodeRLayers").outputs["Image"]
    plate = tree.nodes.new("CompositorNodeImage")
    scale = tree.nodes.new("CompositorNodeScale")
    over = tree.nodes.new("CompositorNodeAlphaOver")
    for node, name, x in ((plate, PLATE, -600), (scale, SCALE, -400), (over, OVER, -200)):
        node.name = node.label = name
        node.location = (target.node.location.x + x, target.node.location.y - 300)
    compat.fill_frame(scale)
    behind, before = compat.over_sockets(over)
    tree.links.new(plate.outputs["Image"], scale.inputs["Image"])
    tree.links.new(scale.outputs["Image"], behind)
    tree.links.new(rendered, before)
    tree.links.new(over.outputs["Image"], target)
    scene[FILM_KEY] = scene.render.film_transparent
    scene.render.film_transparent = True
    scene.render.use_compositing = True


def _remove_nodes(scene: bpy.types.Scene, tree: bpy.types.NodeTree) -> None:
    over = tree.nodes[OVER]
    before = compat.over_sockets(over)[1]
    targets = [link.to_socket for link in over.outputs["Image"].links]
    if before.is_linked:
        rendered = before.links[0].from_socket
        for target in targets:
            tree.links.new(rendered, target)
    for name in (PLATE, SCALE, OVER):
        if name in tree.nodes:
            tree.nodes.remove(tree.nodes[name])
    scene.render.film_transparent = bool(scene.get(FILM_KEY, False))
    if FILM_KEY in scene:
        del scene[FILM_KEY]
