# SPDX-License-Identifier: GPL-3.0-or-later
"""Backbones: one file per model family behind the verbs encode, predict, decode and preview."""

from __future__ import annotations

from sync_engine.backbones.flux2_klein import Flux2Klein
from sync_engine.backbones.loading import load
from sync_engine.backbones.stable_diffusion import StableDiffusion
from sync_engine.backbones.stable_diffusion_xl import StableDiffusionXL
from sync_engine.backbones.z_image import ZImage

__all__ = ["Flux2Klein", "StableDiffusion", "StableDiffusionXL", "ZImage", "load"]
