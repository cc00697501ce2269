# SPDX-License-Identifier: GPL-3.0-or-later
"""The method ``blended``: windows made one after the other, each continuing the finished ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..method import Method, MethodSettings, Sampling, SyncContext

if TYPE_CHECKING:
    import torch


class Blended(Method[MethodSettings]):
    """Blended Latent Diffusion (Avrahami et al. 2023) towards the sides; the loop is ``sync/blended.py``."""

    name = "blended"
    label = "Window by Window"
    help = (
        "Each window continues the finished ones: for plates and equirectangular Worlds. The look may drift"
    )
    rank = 3
    canvases = ("equirectangular", "plate")
    takes_guides = False
    shares_devices = False

    def window_starts(self, length: int, window: int, stride: int, wrap: bool) -> list[int]:
        """Return where windows start in the order in which they are made: the middle first."""
        from sync_engine.sync.blended import starts

        return starts(length, window, stride, wrap)

    def sample(self, settings: MethodSettings, context: SyncContext, run: Sampling) -> torch.Tensor:
        """Make one window after the other."""
        from sync_engine.canvas.plane import PlaneCanvas
        from sync_engine.sync.blended import extend

        assert isinstance(run.canvas, PlaneCanvas)  # by ``canvases`` the spec allows no other
        return extend(
            context.model,
            run.canvas,
            run.scheduler,
            run.state,
            run.conditioning,
            run.generator,
            run.batch,
            run.on_step,
            run.checkpoint,
        )


METHOD = Blended()
