# SPDX-License-Identifier: GPL-3.0-or-later
"""Images made of another image's pixels, packed into the file: blurred for a background, small for work."""

from __future__ import annotations

import bpy
import numpy as np

from . import compat


def packed_copy(name: str, radiance: np.ndarray, like: bpy.types.Image) -> bpy.types.Image:
    """Return a new packed float image.

    Args:
        name: of the image.
        radiance: ``(H, W, 3)`` as ``sun.pixels`` returns them, the top row first.
        like: the image they come from; its colour space counts where the working space has no name.
    """
    height, width = radiance.shape[:2]
    image = bpy.data.images.new(name, width, height, float_buffer=True)
    compat.set_colorspace(image, compat.working_space(), like.colorspace_settings.name)
    values = np.ones((height, width, 4), dtype=np.float32)
    values[..., :3] = radiance[::-1]
    image.pixels.foreach_set(values.ravel())
    image.update()
    image.pack()
    return image
