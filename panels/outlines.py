# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws in the viewport where guides are: a region's circle, a photo's frame, and the line to each."""

from __future__ import annotations

import math

import bpy
from mathutils import Matrix, Vector

from ..settings import guides
from ..settings.guide_places import viewpoint

SEGMENTS = 64
COLOURS = {
    guides.REGION: (0.35, 0.8, 1.0, 0.9),
    guides.SUN: (1.0, 0.8, 0.2, 0.9),
    guides.PICTURE: (0.6, 1.0, 0.5, 0.9),
    guides.DEPTH: (1.0, 1.0, 1.0, 0.9),
}
CHOSEN_WIDTH, OTHER_WIDTH = 2.5, 1.2
_handle: object | None = None


def outline(guide: guides.SyncscapeGuide, eye: Vector) -> list[tuple[Vector, Vector]]:
    """Return the lines that show a guide, in the scene; none for one without a place."""
    if guide.kind == guides.DEPTH or guide.target is None or guide.target.type != "EMPTY":
        return []
    place = guide.target.matrix_world.translation
    toward = place - eye
    if toward.length < 1e-6:
        return []
    axes = _facing(toward)
    if guide.kind == guides.SUN:
        return [(eye, place)]
    if guide.kind == guides.PICTURE and guide.task == guides.EXTEND:
        half = toward.length * math.tan(guide.fov / 2)
        corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    elif guide.mask or (guide.kind == guides.PICTURE and guide.task == guides.REPAINT):
        return []
    else:
        radius = guide.target.empty_display_size * max(guide.target.matrix_world.to_scale())
        angles = [math.tau * number / SEGMENTS for number in range(SEGMENTS)]
        corners = [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]
    points = [place + axes @ Vector((x, y, 0.0)) for x, y in corners]
    return [*zip(points, [*points[1:], points[0]], strict=True), (eye, place)]


def _facing(toward: Vector) -> Matrix:
    """Return axes whose third looks towards the viewpoint and whose second is up."""
    return toward.to_track_quat("-Z", "Y").to_matrix()


def _draw() -> None:
    context = bpy.context
    settings = getattr(context.scene, "syncscape", None)
    if settings is None or not len(settings.guides) or not _shown(context):
        return
    import gpu  # pyright: ignore[reportMissingImports]
    from gpu_extras.batch import batch_for_shader  # pyright: ignore[reportMissingImports]

    eye = viewpoint(context.scene)
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    gpu.state.blend_set("ALPHA")
    for number, guide in enumerate(settings.guides):
        lines = outline(guide, eye) if guide.use else []
        if lines:
            shader.uniform_float(
                "lineWidth", CHOSEN_WIDTH if number == settings.active_guide else OTHER_WIDTH
            )
            shader.uniform_float("color", COLOURS[guide.kind])
            points = [point for line in lines for point in line]
            batch_for_shader(shader, "LINES", {"pos": points}).draw(shader)
    gpu.state.blend_set("NONE")


def _shown(context: bpy.types.Context) -> bool:
    overlay = getattr(context.space_data, "overlay", None)
    return overlay is None or (overlay.show_overlays and overlay.show_extras)


def register() -> None:
    """Draw in every 3D viewport; without guides nothing is drawn."""
    global _handle
    _handle = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")


def unregister() -> None:
    """Draw no more."""
    global _handle
    if _handle is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handle, "WINDOW")
    _handle = None
