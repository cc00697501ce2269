# SPDX-License-Identifier: GPL-3.0-or-later
"""The method ``sync``: a gradient step on the clean predictions, with no pass through the denoiser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..feature_nets import LAYOUT_WEIGHT, FeatureNet, find
from ..method import Method, MethodSettings, SyncContext

if TYPE_CHECKING:
    from sync_engine.diffusion.joint_loop import SyncMethod
    from sync_engine.interface.spec import EnvironmentSpec
    from sync_engine.sync.embeddings import Embed

STRENGTH, PLATE_STRENGTH = 3.0, 1.0
"""A plate's windows are all in one row: at 2 nebulae and hills are lost. Through LPIPS 3 is for both."""
PLATE_LAYOUT_WEIGHT = 0.05
"""``LAYOUT_WEIGHT`` of a plate, whose colours agree much sooner than those of a world."""
STEPS_SHARE, DECAY = 0.6, 0.95
DECODED_SHARE, DECODED_EVERY = 0.7, 2
"""Where windows are decoded to be compared, every second step of this share has a gradient step, a longer
one (``fast.DECODED_LONGER``): nearly the effect of all of 0.6 at three fifths of the cost."""


@dataclass(frozen=True, kw_only=True)
class SyncSettings(MethodSettings):
    """The settings of ``sync``.

    Attributes:
        layout: weight of colours and brightness beside shapes, see ``embeddings.latent_embedding``.
        by_rows: whether windows are compared line by line, not place by place (``embeddings.row_pooled``).
        every: of the first ``steps`` every so many have a gradient step.
    """

    layout: float = LAYOUT_WEIGHT
    by_rows: bool = False
    every: int = 1


class Sync(Method[SyncSettings]):
    """The default method; the algorithm is ``sync/fast.py``."""

    name = "sync"
    label = "Sync"
    help = "Windows agree with each other while they form: one coherent place. Fast"
    rank = 0
    has_sync_settings = True
    usual_strength = f"{STRENGTH:g} (plates {PLATE_STRENGTH:g})"

    def feature_net(self, folder: Path) -> FeatureNet:
        """Return the model's own net where it has one: it needs no decoding."""
        return find(folder)

    def defaults(self, spec: EnvironmentSpec, steps: int, net: FeatureNet | None) -> SyncSettings:
        """Return the settings by kind and net."""
        from sync_engine.prompting.view_prompts import is_outdoors

        plate = spec.kind == "plate"
        decoded = net is not None and net.decodes
        return SyncSettings(
            strength=PLATE_STRENGTH if plate and net is not FeatureNet.LPIPS else STRENGTH,
            steps=max(1, round(steps * (DECODED_SHARE if decoded else STEPS_SHARE))),
            decay=DECAY,
            net=net,
            layout=PLATE_LAYOUT_WEIGHT if plate else LAYOUT_WEIGHT,
            # Compared place by place, what stands in one window of a row only goes: a room becomes a stripe.
            # Line by line colours, light and the horizon agree, and windows keep what is in them.
            by_rows=not decoded or not is_outdoors(spec.prompt),
            every=DECODED_EVERY if decoded else 1,
        )

    def build(self, settings: SyncSettings, context: SyncContext) -> SyncMethod:
        """Return the gradient step; where windows are decoded, at half their resolution."""
        import torch

        from sync_engine.sync.embeddings import embedding, halved

        model, net = context.model, settings.net
        assert net is not None  # this method always has one
        # A gradient step is a direction, which bfloat16 keeps (cosine 0.98 to float32's); float16 loses
        # small gradients.
        dtype = torch.bfloat16 if model.dtype == torch.bfloat16 else torch.float32
        embed = embedding(net, context, model.preview_decode, dtype, settings.layout)
        return self.build_with(halved(embed) if net.decodes else embed, settings, context)

    def build_with(self, embed: Embed, settings: SyncSettings, context: SyncContext) -> SyncMethod:
        """Return the gradient step of an embedding of clean latents."""
        from sync_engine.sync.embeddings import row_pooled
        from sync_engine.sync.fast import FastSync

        return FastSync(
            row_pooled(embed) if settings.by_rows else embed,
            settings.strength,
            settings.steps,
            settings.decay,
            context.batch,
            context.elevations,
            decoded=settings.net is not None and settings.net.decodes,
            every=settings.every,
            ranks=context.ranks,
        )


METHOD = Sync()
