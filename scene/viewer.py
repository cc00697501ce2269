# SPDX-License-Identifier: GPL-3.0-or-later
"""A 360° viewer over a 3D view: a panorama alone, drawn by the GPU; nothing of the scene changes.

Light is shown as a plain sRGB display does, clipped at white: it is for looking at the picture, whatever the
scene's view transform.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from . import compat
from .perspective import Gaze
from .sun import LARGEST_HALF, pixels, reduced
from .world import LINEAR

LARGEST_WIDTH = 4096
VERTEX = "void main() { place = position; gl_Position = vec4(position, 0.0, 1.0); }"
FRAGMENT = """
void main() {
    vec3 ray = normalize(forward.xyz + place.x * right.xyz + place.y * up.xyz);
    float elevation = asin(clamp(ray.z, -1.0, 1.0));
    vec2 at = vec2(0.5 - atan(ray.y, ray.x) / 6.28318530718, 0.5 + elevation / 3.14159265359);
    vec3 light = clamp(textureLod(panorama, at, 0.0).rgb * forward.w, 0.0, 1.0);
    vec3 high = 1.055 * pow(max(light, vec3(0.0031308)), vec3(1.0 / 2.4)) - 0.055;
    vec3 encoded = mix(light * 12.92, high, step(vec3(0.0031308), light));
    colour = vec4(srgbTarget ? light : encoded, 1.0);
}
"""


class Viewer:
    """What covers the main region of a 3D view until ``close``.

    Args:
        area: a 3D view.
        picture: the panorama's file.
        exposure: EV to begin with.

    Raises SceneProblem or RuntimeError for a picture that cannot be loaded.

    Attributes:
        gaze: where one looks; set it, then ``redraw``.
    """

    def __init__(self, area: bpy.types.Area, picture: Path, exposure: float) -> None:
        self.gaze = Gaze(exposure=exposure)
        self._area = area
        self._region = next(region for region in area.regions if region.type == "WINDOW")
        self._texture = _texture(picture)
        self._shader = _shader()
        self._batch = batch_for_shader(
            self._shader, "TRI_STRIP", {"position": [(-1, -1), (1, -1), (-1, 1), (1, 1)]}
        )
        self._handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        self.redraw()

    @property
    def width(self) -> int:
        """Pixels of the region."""
        return max(1, self._region.width)

    def is_alive(self) -> bool:
        """Tell whether the area is still a 3D view of a window."""
        windows = bpy.context.window_manager.windows
        there = any(area == self._area for window in windows for area in window.screen.areas)
        return there and self._area.type == "VIEW_3D"

    def contains(self, x: int, y: int) -> bool:
        """Tell whether a place in the window is over the picture and over none of the side bars."""
        for region in self._area.regions:
            inside = region.x <= x < region.x + region.width and region.y <= y < region.y + region.height
            if inside and region.type != "WINDOW":
                return False
        region = self._region
        return region.x <= x < region.x + region.width and region.y <= y < region.y + region.height

    def redraw(self) -> None:
        """Show where ``gaze`` looks."""
        self._region.tag_redraw()

    def close(self) -> None:
        """Give the 3D view back."""
        if self._handle is None:
            return
        bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
        self._handle = None
        if self.is_alive():
            self._area.header_text_set(None)
            self.redraw()

    def _draw(self) -> None:
        if bpy.context.region != self._region:
            return
        axes, reach = self.gaze.axes(), self.gaze.reach
        lower = reach * self._region.height / self.width
        self._shader.bind()
        self._shader.uniform_sampler("panorama", self._texture)
        self._shader.uniform_float("forward", (*axes[0], 2.0**self.gaze.exposure))
        self._shader.uniform_float("right", (*(axes[1] * reach), 0.0))
        self._shader.uniform_float("up", (*(axes[2] * lower), 0.0))
        gpu.state.blend_set("NONE")
        gpu.state.depth_test_set("NONE")
        self._batch.draw(self._shader)


def _texture(picture: Path) -> gpu.types.GPUTexture:
    image = bpy.data.images.load(str(picture), check_existing=False)
    try:
        compat.set_colorspace(image, *LINEAR)
        light = pixels(image)
    finally:
        bpy.data.images.remove(image)
    light = reduced(light, min(LARGEST_WIDTH, gpu.capabilities.max_texture_size_get()))[::-1]
    height, width = light.shape[:2]
    values = np.ones((height, width, 4), dtype=np.float32)
    values[..., :3] = light.clip(max=LARGEST_HALF)
    buffer = gpu.types.Buffer("FLOAT", values.size, values.ravel())
    return gpu.types.GPUTexture((width, height), format="RGBA16F", data=buffer)


def _shader() -> gpu.types.GPUShader:
    info = gpu.types.GPUShaderCreateInfo()
    for name in ("forward", "right", "up"):
        info.push_constant("VEC4", name)
    info.push_constant("BOOL", "srgbTarget")  # Blender sets it: whether the screen encodes by itself
    info.sampler(0, "FLOAT_2D", "panorama")
    info.vertex_in(0, "VEC2", "position")
    between = gpu.types.GPUStageInterfaceInfo("look")
    between.smooth("VEC2", "place")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "colour")
    info.vertex_source(VERTEX)
    info.fragment_source(FRAGMENT)
    return gpu.shader.create_from_info(info)
