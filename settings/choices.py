# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings offer to choose from: kinds, sizes, projections, methods."""

from __future__ import annotations

from ..sync_engine.interface.methods import METHODS

CUSTOM = "CUSTOM"
KIND_ITEMS = (
    ("world", "World", "A seamless 360° picture, twice as wide as high, that lights the scene", "WORLD", 0),
    ("plate", "Plate", "A wide flat picture for the background of a camera", "IMAGE_BACKGROUND", 1),
)
WORLD_SIZE_ITEMS = (
    ("512", "512 × 256", "Fastest, for trying prompts"),
    ("1024", "1024 × 512", "Quick, for lighting tests"),
    ("2048", "2048 × 1024", "For light and soft backgrounds"),
    ("4096", "4096 × 2048", "For visible backgrounds"),
    ("8192", "8192 × 4096", "For close backgrounds; slow, and needs much memory"),
    (CUSTOM, "Custom", "Any width that is a multiple of 128"),
)
PLATE_SIZE_ITEMS = (
    ("1024x512", "1024 × 512", "Fastest, for trying prompts"),
    ("2048x512", "2048 × 512", "A wide panorama"),
    ("2048x1024", "2048 × 1024", "For Full HD frames"),
    ("4096x1024", "4096 × 1024", "A wide panorama with room to pan"),
    ("4096x2048", "4096 × 2048", "For 4K frames; slow"),
    (CUSTOM, "Custom", "Any width and height that are multiples of 64"),
)
PROJECTION_ITEMS = (
    ("auto", "Automatic", "Panorama for models and LoRAs whose names say so, else Sphere"),
    ("sphere", "Sphere", "Perspective views all around: clean poles, for every model"),
    (
        "equirectangular",
        "Equirectangular",
        "Windows of the 360° picture itself: for models that were tuned on such pictures",
    ),
    (
        "panorama",
        "Panorama",
        "The whole 360° picture in one window: for models and LoRAs that were trained on such pictures",
    ),
)
WEIGHTS_ITEMS = (
    ("auto", "Automatic", "As precise as the GPU's free memory allows"),
    ("full", "As They Are", "Never in 8 bits: a small GPU lends layers instead, which takes longer"),
    ("fp8", "8 Bits", "Half the memory, for a picture that differs a little"),
)
METHOD_ITEMS = tuple((method.name, method.label, method.help) for method in METHODS.values())
