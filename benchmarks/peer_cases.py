# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``benchmarks.peers`` compares: one function for each case, on one loaded model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.common.device import window_batch
from sync_engine.diffusion.joint_loop import SyncMethod, WindowBatch, no_sync, sample
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.prompting.conditioning import Conditioning
from sync_engine.sync.feature_nets import FeatureNets
from sync_engine.sync.method import SyncContext, build_sync
from sync_engine.sync.methods import METHODS
from sync_engine.sync.methods.sync_paper import STRIDE

CELLS, GUIDANCE = 64, 7.5
Run = Callable[[], torch.Tensor]
ONE_BY_ONE = ("diffusers, stride 8", "sync-paper, a fifth of the steps", "sync-paper, all steps")
"""Cases whose windows go through the networks one at a time."""


def as_diffusers_has_it(unet: Any) -> Any:
    """Return a network of the same weights without what our engine does to it (``unet_savings``)."""
    with torch.device("meta"):
        peer = type(unet).from_config(unet.config)
    peer.load_state_dict(unet.state_dict(), assign=True)
    return peer.eval().requires_grad_(False)


class Bench:
    """A loaded model, a canvas 64 cells high, and a function for each thing that is compared."""

    def __init__(self, backbone: Any, width: int, steps: int, nets: FeatureNets | None = None) -> None:
        self.backbone, self.width, self.steps = backbone, width // backbone.scale, steps
        self.batch = window_batch(backbone.device, backbone.window)
        self.context = SyncContext(model=backbone, batch=self.batch, nets=nets or FeatureNets())
        self.text = backbone.encode(["a desert at sunset"]), backbone.encode([""])
        self.peer_unet = as_diffusers_has_it(backbone.unet)
        noise = torch.Generator().manual_seed(7)
        self.state = torch.randn(1, 4, CELLS, self.width, generator=noise).to(backbone.device)

    def ours(
        self, sync: SyncMethod, stride: int, steps: int, solver: str, batch: int, uniform: bool = False
    ) -> torch.Tensor:
        """Sample jointly, as the engine does."""
        canvas = PlaneCanvas(CELLS, self.width, CELLS, stride, uniform=uniform)
        conditioning = Conditioning.one_prompt_each(*self.text, [0] * len(canvas.corners), GUIDANCE)
        scheduler = self.backbone.scheduler(solver, steps)
        return sample(self.backbone, canvas, scheduler, self.state, conditioning, sync, WindowBatch(batch))

    def diffusers(self) -> torch.Tensor:
        """Run diffusers' panorama pipeline as its defaults are: a stride of 8 cells, one window at a time."""
        from diffusers.pipelines.deprecated.stable_diffusion_panorama import (
            pipeline_stable_diffusion_panorama as peer,
        )

        model = self.backbone
        pipeline = peer.StableDiffusionPanoramaPipeline(
            model.vae,
            model.text_encoder,
            model.tokenizer,
            self.peer_unet,
            model.scheduler("ddim", self.steps),
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        positive, negative = (torch.stack(text.states) for text in self.text)
        return pipeline(
            prompt_embeds=positive,
            negative_prompt_embeds=negative,
            height=CELLS * model.scale,
            width=self.width * model.scale,
            num_inference_steps=self.steps,
            guidance_scale=GUIDANCE,
            latents=self.state.to(model.dtype),
            output_type="latent",
        ).images  # type: ignore[union-attr]

    def sync(self, stride: int, steps: int, solver: str, share: float | None = None) -> torch.Tensor:
        """Run our method as it is; with a share, every step of that share has sync, as published."""
        method = METHODS["sync"]
        chosen = method.settings(EnvironmentSpec("any", kind="plate"), steps, self.backbone.folder)
        if share is not None:
            chosen = replace(chosen, steps=round(steps * share), every=1)
        return self.ours(build_sync(method, chosen, self.context), stride, steps, solver, self.batch)

    def published(self, share: float) -> torch.Tensor:
        """Run SyncDiffusion as its authors do; a share of the steps has sync."""
        method = METHODS["sync-paper"]
        chosen = method.settings(
            EnvironmentSpec("any", kind="plate", method=method.name), self.steps, self.backbone.folder
        )
        sync = build_sync(method, replace(chosen, steps=round(self.steps * share)), self.context)
        return self.ours(sync, STRIDE, self.steps, "ddim", 1, uniform=True)

    def full_decoder(self) -> torch.Tensor:
        """Run ``sync`` as it is where a model's tiny decoder is not on the computer."""
        tiny, self.backbone.tiny = self.backbone.tiny, None
        try:
            return self.sync(STRIDE, self.steps, "ddim")
        finally:
            self.backbone.tiny = tiny

    def cases(self) -> dict[str, Run]:
        """Return what is compared, by name; the slowest last, in case the run is stopped before."""
        plain, stride, few = no_sync, STRIDE, max(1, self.steps // 2)
        return {
            "multidiffusion, defaults": lambda: self.ours(plain, 32, few, "dpm", self.batch),
            "sync, defaults": lambda: self.sync(32, few, "dpm"),
            "multidiffusion": lambda: self.ours(plain, stride, self.steps, "ddim", self.batch),
            "sync": lambda: self.sync(stride, self.steps, "ddim"),
            "sync, a fifth of the steps": lambda: self.sync(stride, self.steps, "ddim", 0.2),
            "sync, all steps": lambda: self.sync(stride, self.steps, "ddim", 1.0),
            "sync, full decoder": self.full_decoder,
            "multidiffusion, stride 8": lambda: self.ours(plain, 8, self.steps, "ddim", self.batch, True),
            "diffusers, stride 8": self.diffusers,
            "sync-paper, a fifth of the steps": lambda: self.published(0.2),
            "sync-paper, all steps": lambda: self.published(1.0),
        }

    def first_calls(self) -> dict[str, Run]:
        """Return for each case a short run that makes the first calls, so that the measured one does not.

        A GPU's libraries prepare themselves for every shape of their input: there the short run has the
        windows at once that the case has.
        """
        if self.backbone.device.type == "cpu":
            return self._resized(CELLS, 2).cases()
        narrow, wide = (
            self._resized(CELLS + 2 * STRIDE, 5).cases(),
            self._resized(self.width, 2).cases(),
        )
        return {name: (narrow if name in ONE_BY_ONE else wide)[name] for name in wide}

    def _resized(self, cells: int, steps: int) -> Bench:
        return Bench(self.backbone, cells * self.backbone.scale, steps, self.context.nets)
