# SPDX-License-Identifier: GPL-3.0-or-later
"""The method ``sync-paper``: SyncDiffusion as published (Lee et al. 2023), through the whole network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..feature_nets import FeatureNet, find
from ..method import Method, MethodSettings, SyncContext

if TYPE_CHECKING:
    from sync_engine.diffusion.joint_loop import SyncMethod
    from sync_engine.interface.spec import EnvironmentSpec

STRENGTH, STEPS, DECAY, STRIDE = 20.0, 10, 0.95, 16
"""Published; the stride is of windows of 64 cells."""


class SyncPaper(Method[MethodSettings]):
    """The gradient of LPIPS through the decoder and the denoiser; the algorithm is ``sync/paper.py``."""

    name = "sync-paper"
    label = "Sync (as published)"
    help = "The published SyncDiffusion, through the whole network. Slow"
    rank = 2
    has_sync_settings = True
    shares_devices = False
    usual_strength = f"{STRENGTH:g}"

    def feature_net(self, folder: Path) -> FeatureNet:
        """Return LPIPS where its weights are, as published."""
        return find(folder, prefer_own=False)

    def defaults(self, spec: EnvironmentSpec, steps: int, net: FeatureNet | None) -> MethodSettings:
        """Return the published values."""
        return MethodSettings(
            solver="published",
            uniform=True,
            strength=STRENGTH,
            steps=min(steps, STEPS),
            decay=DECAY,
            net=net,
        )

    def stride(self, window: int) -> int:
        """Return a quarter of a window, 16 of 64 cells."""
        return window // 4

    def build(self, settings: MethodSettings, context: SyncContext) -> SyncMethod:
        """Return the published step, through the model's own decoder in float32."""
        import torch

        from sync_engine.sync.embeddings import embedding
        from sync_engine.sync.paper import PaperSync

        assert settings.net is not None  # this method always has one
        embed = embedding(settings.net, context, context.model.decode, torch.float32)
        return PaperSync(embed, settings.strength, settings.steps, settings.decay)


METHOD = SyncPaper()
