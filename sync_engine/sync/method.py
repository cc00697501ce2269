# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of a method: its name and words, what it allows, its settings, and what it samples with.

Files of ``methods/`` and this one import only the standard library at their top: Blender's process reads
names, texts and limits from them. torch and the engine's rooms are imported inside the functions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..interface.method_facts import MethodFacts
from .feature_nets import FeatureNet, FeatureNets

if TYPE_CHECKING:
    import torch

    from sync_engine.backbones.model import Model
    from sync_engine.canvas import Canvas
    from sync_engine.common.ranks import Ranks
    from sync_engine.diffusion.guides import StepGuide
    from sync_engine.diffusion.joint_loop import Checkpoint, Step, SyncMethod, WindowBatch
    from sync_engine.interface.spec import EnvironmentSpec
    from sync_engine.prompting.conditioning import Conditioning


@dataclass(frozen=True, kw_only=True)
class MethodSettings:
    """What a job samples with. A method that has more settings derives its own class.

    Attributes:
        solver: see ``schedulers.build``; ``model`` is the model's own, ``published`` DDIM.
        uniform: whether all cells of a window count alike where windows overlap on a plane.
        strength: weight of the sync gradient.
        steps: number of initial steps with sync.
        decay: factor on the strength from one step to the next.
        net: what the windows are compared through, none where they are not compared.
    """

    solver: str = "model"
    uniform: bool = False
    strength: float = 0.0
    steps: int = 0
    decay: float = 1.0
    net: FeatureNet | None = None


Settings = TypeVar("Settings", bound=MethodSettings)


def _alone() -> Ranks:
    from sync_engine.common.ranks import ALONE

    return ALONE


@dataclass(frozen=True, kw_only=True)
class SyncContext:
    """What a method's sync is built from, beside its settings.

    Attributes:
        model: the loaded model.
        batch: how many windows go through a net at once.
        elevations: where each window looks, degrees above the horizon; empty on a plate of one row.
        nets: loads what the windows are compared through.
        ranks: the processes that share the windows; batch and elevations are of this one.
    """

    model: Model
    batch: int
    elevations: Sequence[float] = ()
    nets: FeatureNets = field(default_factory=FeatureNets)
    ranks: Ranks = field(default_factory=_alone)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What a loop works on.

    Attributes:
        canvas: where the windows lie.
        scheduler: gives a diffusers scheduler with its timesteps set, a new one at each call.
        state: initial noise in the canvas's layout, float32, on the model's device.
        conditioning: text embeddings and guidance scale.
        generator: on the CPU; draws what noise the solver adds.
        batch: how many windows the denoiser sees at once.
        on_step: called after each step; may raise to stop.
        checkpoint: what an interrupted loop goes on from.
        guides: change what the model sees at each step.
        start: number of the first step; above 0 the state is noisy to just its level.
        background: how much of each cell of this process's windows no region covers, ``(V, h, w)``; None: all
            of it.
    """

    canvas: Canvas
    scheduler: Callable[[], Any]
    state: torch.Tensor
    conditioning: Conditioning
    generator: torch.Generator
    batch: WindowBatch
    on_step: Callable[[Step], None]
    checkpoint: Checkpoint | None = None
    guides: Sequence[StepGuide] = ()
    start: int = 0
    background: torch.Tensor | None = None


class Method(MethodFacts, Generic[Settings]):
    """A way to join the windows of a canvas; a file of ``methods/`` defines one and calls it ``METHOD``."""

    def feature_net(self, folder: Path) -> FeatureNet | None:
        """Return what windows of the model of a folder are compared through; none where they are not."""
        return None

    def defaults(self, spec: EnvironmentSpec, steps: int, net: FeatureNet | None) -> Settings:
        """Return the settings for ``steps`` denoising steps where the spec leaves them open."""
        return MethodSettings(net=net)  # type: ignore[return-value]  # a method with more settings has its own

    def settings(self, spec: EnvironmentSpec, steps: int, folder: Path) -> Settings:
        """Return the settings of a job: the spec's where it has them, else ``defaults``.

        Args:
            spec: the job.
            steps: denoising steps of the job.
            folder: of the job's model.
        """
        chosen = self.defaults(spec, steps, self.feature_net(folder))
        return dataclasses.replace(
            chosen,
            solver=chosen.solver if spec.solver == "auto" else spec.solver,
            strength=chosen.strength if spec.sync_strength is None else spec.sync_strength,
            steps=chosen.steps if spec.sync_steps is None else min(steps, spec.sync_steps),
            decay=chosen.decay if spec.sync_decay is None else spec.sync_decay,
        )

    def stride(self, window: int) -> int:
        """Return the distance of neighbouring windows on a plane, in cells of a window ``window`` wide."""
        return window // 2

    def window_starts(self, length: int, window: int, stride: int, wrap: bool) -> list[int]:
        """Return where windows start on an axis of a plane, see ``layout.window_starts``."""
        from sync_engine.canvas.layout import window_starts

        return window_starts(length, window, stride, wrap)

    def build(self, settings: Settings, context: SyncContext) -> SyncMethod:
        """Return what the joint loop calls in each step."""
        from sync_engine.diffusion.joint_loop import no_sync

        return no_sync

    def sample(self, settings: Settings, context: SyncContext, run: Sampling) -> torch.Tensor:
        """Denoise a canvas and return its clean latents: the joint loop, where a method has no other."""
        from sync_engine.diffusion.joint_loop import no_sync, sample
        from sync_engine.diffusion.solvers import initial_scale
        from sync_engine.sync.background import BackgroundSync

        scheduler = run.scheduler()
        sync = build_sync(self, settings, context)
        if run.background is not None and sync is not no_sync:
            sync = BackgroundSync(sync, run.background, context.ranks)
        return sample(
            context.model,
            run.canvas,
            scheduler,
            run.state if run.start else run.state * initial_scale(scheduler),
            run.conditioning,
            sync,
            run.batch,
            run.on_step,
            start=run.start,
            generator=run.generator,
            checkpoint=run.checkpoint,
            guides=run.guides,
        )


def build_sync(method: Method[Settings], settings: Settings, context: SyncContext) -> SyncMethod:
    """Return ``method.build``; without strength or steps nothing is loaded and nothing moves."""
    from sync_engine.diffusion.joint_loop import no_sync

    if method.has_sync_settings and (settings.strength == 0.0 or settings.steps == 0):
        return no_sync
    return method.build(settings, context)
