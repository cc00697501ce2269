# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that asks which Blender this is: nodes, compositor and exit hooks of 4.2 to 5.x."""

from __future__ import annotations

import atexit
from collections.abc import Callable

import bpy

BEFORE_5 = bpy.app.version < (5, 0, 0)


def empty_world_tree(world: bpy.types.World) -> bpy.types.NodeTree:
    """Return the world's node tree without any node."""
    if BEFORE_5:  # later every world has a tree, and asking for one is deprecated
        world.use_nodes = True
    world.node_tree.nodes.clear()
    return world.node_tree


def set_colorspace(image: bpy.types.Image, *names: str) -> None:
    """Set the first colour space of ``names`` that Blender's colour configuration knows.

    The bundled configuration calls linear light "Linear Rec.709"; studio configurations differ.
    """
    for name in names:
        try:
            image.colorspace_settings.name = name
        except TypeError:
            continue
        return


def working_space() -> str:
    """Return the colour space of the file's scene-linear values, which float images have in memory."""
    found = getattr(bpy.data, "colorspace", None)  # before 5.0 there is one
    return getattr(found, "working_space", "Linear Rec.709")


def sample_picture(world: bpy.types.World) -> None:
    """Let Cycles send its light rays to where the World's picture is bright, at the picture's own size.

    Cycles is an add-on of Blender's: where it is switched off, Worlds know nothing of it.
    """
    cycles = getattr(world, "cycles", None)
    if cycles is not None:
        cycles.sampling_method = "AUTOMATIC"


def compositor_tree(scene: bpy.types.Scene) -> bpy.types.NodeTree | None:
    """Return the scene's compositor nodes; None if there are none."""
    return scene.node_tree if BEFORE_5 else scene.compositing_node_group


def made_compositor_tree(scene: bpy.types.Scene) -> bpy.types.NodeTree:
    """Return the scene's compositor nodes, made with their default if there were none."""
    if BEFORE_5:
        if not scene.use_nodes:
            scene.use_nodes = True
        return scene.node_tree
    if scene.compositing_node_group is None:
        tree = bpy.data.node_groups.new("Compositor Nodes", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        layers = tree.nodes.new("CompositorNodeRLayers")
        output = tree.nodes.new("NodeGroupOutput")
        output.location.x = layers.location.x + 400
        tree.links.new(layers.outputs["Image"], output.inputs[0])
        scene.compositing_node_group = tree
    return scene.compositing_node_group


def compositor_output(tree: bpy.types.NodeTree) -> bpy.types.NodeSocket:
    """Return the socket that takes the final picture, with a new output node if there is none."""
    kind = "CompositorNodeComposite" if BEFORE_5 else "NodeGroupOutput"
    node = next((node for node in tree.nodes if node.bl_idname == kind), None)
    if node is None:
        node = tree.nodes.new(kind)
    if not BEFORE_5 and not any(item.in_out == "OUTPUT" for item in tree.interface.items_tree):
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    return node.inputs[0]


def fill_frame(scale: bpy.types.Node) -> None:
    """Make a Scale node fill the render's frame, cropping what does not fit."""
    if BEFORE_5:
        scale.space, scale.frame_method = "RENDER_SIZE", "CROP"
    else:
        scale.inputs["Type"].default_value = "Render Size"
        scale.inputs["Frame Type"].default_value = "Crop"


def over_sockets(over: bpy.types.Node) -> tuple[bpy.types.NodeSocket, bpy.types.NodeSocket]:
    """Return the background and the foreground socket of an Alpha Over node."""
    first = 1 if BEFORE_5 else 0
    return over.inputs[first], over.inputs[first + 1]


def _exit_handler(callback: Callable[[], None]):
    handler = _exit_handlers.get(callback)
    if handler is None:

        @bpy.app.handlers.persistent
        def handler(*_) -> None:
            callback()

        _exit_handlers[callback] = handler
    return handler


_exit_handlers: dict[Callable[[], None], Callable] = {}


def on_exit(callback: Callable[[], None]) -> None:
    """Call ``callback`` before Blender ends: before its data goes where Blender can tell (5.1)."""
    atexit.register(callback)
    if hasattr(bpy.app.handlers, "exit_pre"):
        bpy.app.handlers.exit_pre.append(_exit_handler(callback))


def forget_on_exit(callback: Callable[[], None]) -> None:
    """Undo ``on_exit``."""
    atexit.unregister(callback)
    if hasattr(bpy.app.handlers, "exit_pre"):
        bpy.app.handlers.exit_pre.remove(_exit_handlers.pop(callback))
