# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of a job, one function each: what it needs are its arguments, what it makes is returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from sync_engine.backbones.controlnets import row_of
from sync_engine.backbones.loading import folder_of, read_index
from sync_engine.backbones.model import Model
from sync_engine.canvas import Canvas
from sync_engine.canvas.panorama import PanoramaCanvas
from sync_engine.canvas.tiled_decode import TiledFallbackDecoder
from sync_engine.catalog import models
from sync_engine.common.device import window_batch
from sync_engine.diffusion import panorama, refinement
from sync_engine.diffusion.controlnet import Control
from sync_engine.diffusion.controlnet_guides import guide_for
from sync_engine.diffusion.guides import StepGuide
from sync_engine.diffusion.joint_loop import WindowBatch
from sync_engine.diffusion.panorama import TurnEachStep
from sync_engine.diffusion.prediction import levels
from sync_engine.guiding.regions import background
from sync_engine.interface.guides import Control as ControlGuide
from sync_engine.interface.messages import Stage
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.prompting import sun_in_prompt
from sync_engine.prompting.conditioning import Conditioning
from sync_engine.prompting.view_prompts import window_prompts
from sync_engine.runtime.checkpoint import Checkpoint
from sync_engine.runtime.live_preview import LivePreview
from sync_engine.runtime.plan import JobPlan
from sync_engine.runtime.stage_runner import StageRunner
from sync_engine.sync.feature_nets import FeatureNets
from sync_engine.sync.method import Sampling, SyncContext


def missing(row: models.Model) -> tuple[models.Model, bool] | None:
    """Return what of the hub a model lacks on this computer, and whether that is its texts alone."""
    from sync_engine.downloads import store

    wanted = models.TABLE[row.base] if row.base else row
    only_texts = bool(row.base) and not row.base_weights
    here = store.texts_of if only_texts else store.installed
    return (wanted, only_texts) if wanted.on_hub and here(wanted) is None else None


def missing_controls(spec: EnvironmentSpec, row: models.Model) -> list[models.Model]:
    """Return what of the hub the ControlNets of a job lack whose model is on this computer."""
    from sync_engine.downloads import store

    guides = [guide for guide in spec.guides if isinstance(guide, ControlGuide) and guide.scale != 0]
    if not guides:
        return []
    folder = folder_of(row)
    index = read_index(folder)
    found = {net.model.source: net.model for net in (row_of(guide, folder, index) for guide in guides)}
    return [net for net in found.values() if net.on_hub and store.installed(net) is None]


def download(wanted: models.Model, only_texts: bool, runner: StageRunner) -> None:
    """Fetch a model, if it is pinned."""
    from sync_engine.downloads import fetch

    fetch.for_job(wanted, runner.reporter, runner.check, only_texts=only_texts)


def encode(plan: JobPlan, model: Model, canvas: Canvas, sky: sun_in_prompt.Luminary | None) -> Conditioning:
    """Return what the model is told of every window of a canvas."""
    spec = plan.spec
    if isinstance(canvas, PanoramaCanvas):
        whole = [", ".join(filter(None, (plan.trigger, spec.prompt)))]
        negatives = model.encode([spec.negative])
        return Conditioning.one_prompt_each(model.encode(whole), negatives, [0], plan.guidance_of(model))
    wanted = window_prompts(spec, canvas.elevations, plan.phrases)
    own = (spec.prompt_zenith, spec.prompt_nadir)
    wanted = sun_in_prompt.lit_prompts(wanted, canvas.views, sky, plan.light_phrases, own)
    if plan.regions:
        return plan.regions.conditioning(model, canvas, wanted, plan.guidance_of(model))
    distinct = list(dict.fromkeys(wanted))
    negatives = model.encode([spec.negative])
    numbers = [distinct.index(prompt) for prompt in wanted]
    return Conditioning.one_prompt_each(model.encode(distinct), negatives, numbers, plan.guidance_of(model))


def denoise(
    plan: JobPlan,
    model: Model,
    canvas: Canvas,
    conditioning: Conditioning,
    nets: FeatureNets,
    runner: StageRunner,
    preview: LivePreview,
    checkpoint: Checkpoint,
    controls: Sequence[Control] = (),
) -> torch.Tensor:
    """Return the clean latents, in the canvas's layout."""
    generator = torch.Generator().manual_seed(plan.seed)
    state = canvas.noise(model.channels, generator).to(model.device)
    model.offload_for(Stage.DENOISE)
    batch = _batch(model, runner)
    guides: list[StepGuide] = [plan.regions.guide(plan.steps)] if plan.regions else []
    if controls:
        conditioning = _with_maps(plan, model, canvas, conditioning)
        guides.append(guide_for(model, controls, plan.steps))
    if isinstance(canvas, PanoramaCanvas):
        guides.append(TurnEachStep(canvas))
    start = 0
    if plan.kept is not None and plan.kept.strength is None:
        guides.append(plan.kept.guide(model, canvas, generator))
    elif plan.kept is not None:
        solver = model.scheduler(plan.settings.solver, plan.steps, canvas.window_size)
        start, state = plan.kept.begin(model, canvas, state, levels(solver))
    run = Sampling(
        canvas=canvas,
        scheduler=partial(model.scheduler, plan.settings.solver, plan.steps, canvas.window_size),
        state=state,
        conditioning=conditioning,
        generator=generator,
        batch=batch,
        on_step=partial(preview.on_step, canvas),
        guides=guides,
        start=start,
        background=background(plan.regions.masks(canvas))[canvas.numbers] if plan.regions else None,
        checkpoint=checkpoint,
    )
    elevations = [canvas.elevations[number] for number in canvas.numbers]
    context = SyncContext(model=model, batch=batch.size, elevations=elevations, nets=nets, ranks=plan.ranks)
    return plan.method.sample(plan.settings, context, run)


def _with_maps(plan: JobPlan, model: Model, canvas: Canvas, conditioning: Conditioning) -> Conditioning:
    """Return the conditioning whose entries are told of the control guides' maps."""
    maps = [planned.map.windows(canvas, model.scale, planned.net.logarithmic) for planned in plan.controls]
    entries = tuple(
        replace(entry, control=torch.stack([part[entry.window] for part in maps]))
        for entry in conditioning.entries
    )
    return replace(conditioning, entries=entries)


def decode(
    plan: JobPlan,
    model: Model,
    canvas: Canvas,
    latents: torch.Tensor,
    height: int,
    runner: StageRunner,
    checkpoint: Checkpoint,
) -> torch.Tensor:
    """Return the picture ``(3, height, W)`` in [0, 1], on the CPU, with what is kept of pictures in it."""
    model.offload_for(Stage.DECODE)
    decoder = TiledFallbackDecoder(model, runner.reporter.note)
    return _with_kept(plan, canvas.decode(checkpoint.decoder(decoder), latents, height, runner.on_part))


def repair_poles(
    plan: JobPlan,
    model: Model,
    picture: torch.Tensor,
    sky: sun_in_prompt.Luminary | None,
    runner: StageRunner,
) -> torch.Tensor:
    """Return a panorama ``(3, H, 2·H)`` whose poles are painted as views straight up and down see them."""
    return panorama.repair_poles(
        model,
        picture,
        condition=lambda canvas: encode(plan, model, canvas, sky),
        scheduler=model.scheduler(plan.settings.solver, plan.steps),
        generator=torch.Generator().manual_seed(plan.seed + picture.shape[1]),
        batch=_batch(model, runner),
        note=runner.reporter.note,
    )


def add_detail(
    plan: JobPlan,
    model: Model,
    picture: torch.Tensor,
    height: int,
    sky: sun_in_prompt.Luminary | None,
    runner: StageRunner,
    preview: LivePreview,
    checkpoint: Checkpoint,
) -> torch.Tensor:
    """Return a world's picture ``(3, h, 2·h)`` at a larger height, with new detail."""
    larger = refinement.refine(
        model,
        picture,
        height,
        plan.yaw,
        condition=lambda canvas: encode(plan, model, canvas, sky),
        scheduler=model.scheduler(plan.settings.solver, plan.steps),
        generator=torch.Generator().manual_seed(plan.seed + height),
        batch=_batch(model, runner),
        on_step=preview.on_step,
        on_part=runner.on_part,
        checkpoint=checkpoint,
        decode=checkpoint.decoder(TiledFallbackDecoder(model, runner.reporter.note)),
        strength=refinement.STRENGTH if plan.smaller is None else refinement.LARGER_STRENGTH,
        layout_cells=refinement.LAYOUT_CELLS if plan.smaller is None else refinement.LARGER_CELLS,
        ranks=plan.ranks,
    )
    return _with_kept(plan, larger)


def _with_kept(plan: JobPlan, picture: torch.Tensor) -> torch.Tensor:
    return picture if plan.kept is None else plan.kept.paste(picture)


def _batch(model: Model, runner: StageRunner) -> WindowBatch:
    size = window_batch(model.device, model.window, model.memory.window_gb)
    return WindowBatch(size, runner.reporter.note, runner.check)
