# SPDX-License-Identifier: GPL-3.0-or-later
"""A method's name and a spec's open fields to the pull that the sampling loop calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sync_engine.diffusion.joint_loop import Pull, no_pull
from sync_engine.interface.spec import PULLING_METHODS, EnvironmentSpec
from sync_engine.prompting.view_prompts import is_outdoors
from sync_engine.sync import fast, paper
from sync_engine.sync.distance import LAYOUT_WEIGHT, PLATE_LAYOUT_WEIGHT, Embed, choose, net_of, row_pooled


@dataclass(frozen=True)
class Settings:
    """What a method uses where the spec leaves it open: solver (``solvers.build``), fusion and strengths.

    ``layout`` is the weight of colours and brightness beside shapes, see ``distance.latent_embedding``;
    ``net`` is what windows are seen through (``distance.net_of``), empty where none is needed,
    ``decoded`` whether that is pictures; with ``lines`` they are compared line by line, not place by place
    (``distance.row_pooled``). Every ``every``-th of the first ``steps`` steps pulls.
    """

    scheduler: str
    uniform: bool
    strength: float
    steps: int
    decay: float
    layout: float = LAYOUT_WEIGHT
    net: str = ""
    decoded: bool = False
    lines: bool = False
    every: int = 1


def settings(spec: EnvironmentSpec, steps: int, backbone: Any) -> Settings:
    """Return the settings of the spec's method for ``steps`` denoising steps of a loaded model."""
    plate = spec.kind == "plate"
    net = net_of(backbone, spec.method) if spec.method in PULLING_METHODS else ""
    decoded = net in ("lpips", "draft")
    pull = fast.PLATE_STRENGTH if plate and net != "lpips" else fast.STRENGTH
    layout = PLATE_LAYOUT_WEIGHT if plate else LAYOUT_WEIGHT
    # Of places that are not under the sky: what stands in one window of a room only would go, place by place.
    # The draft model's own net stays with places, docs/science/sync.md says why.
    lines = decoded and not is_outdoors(spec.prompt)
    pulls = max(1, round(steps * (fast.DECODED_SHARE if decoded else fast.STEPS_SHARE)))
    defaults = {
        "multidiffusion": Settings("model", False, 0.0, 0, 1.0),
        "blended": Settings("model", False, 0.0, 0, 1.0),
        "sync": Settings("model", False, pull, pulls, fast.DECAY, layout),
        "sync-paper": Settings("published", True, paper.STRENGTH, min(steps, paper.STEPS), paper.DECAY),
    }[spec.method]
    return Settings(
        defaults.scheduler if spec.solver == "auto" else spec.solver,
        defaults.uniform,
        defaults.strength if spec.sync_strength is None else spec.sync_strength,
        defaults.steps if spec.sync_steps is None else min(steps, spec.sync_steps),
        defaults.decay if spec.sync_decay is None else spec.sync_decay,
        defaults.layout,
        net,
        decoded,
        lines,
        fast.DECODED_EVERY if decoded and spec.method == "sync" else 1,
    )


def pull_for(method: str, chosen: Settings, backbone: Any, batch: int, elevations: Sequence[float]) -> Pull:
    """Return the pull of a method for a loaded backbone and windows that look up by ``elevations``."""
    if method not in PULLING_METHODS or chosen.strength == 0.0 or chosen.steps == 0:
        return no_pull
    embed = choose(backbone, method, chosen.layout)
    if method == "sync":
        return fast_pull(embed, chosen, batch, elevations)
    return paper.PaperSync(embed, chosen.strength, chosen.steps, chosen.decay)


def fast_pull(embed: Embed, chosen: Settings, batch: int, elevations: Sequence[float]) -> Pull:
    """Return the pull of ``sync`` with an embedding from ``distance.choose``."""
    return fast.FastSync(
        row_pooled(embed) if chosen.lines else embed,
        chosen.strength,
        chosen.steps,
        chosen.decay,
        batch,
        elevations,
        chosen.decoded,
        chosen.every,
    )
