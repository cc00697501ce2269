# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the draft model: data, autoencoder, denoiser, perceptual net, export."""

import importlib.util

if importlib.util.find_spec("torch") is not None:  # not in Blender, where the generator runs
    import sync_engine.common.torchvision_schemas  # noqa: F401  (must come before torchvision does)
