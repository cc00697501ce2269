"""Training of the draft model: data, autoencoder, denoiser, perceptual net, export."""

import sync_engine.torchvision_schemas  # noqa: F401  (must come before torchvision does)
