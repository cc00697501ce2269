# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the draft model's denoiser on cached latents of views, beside a text encoder that stays as it is.

The text encoder is trained on the captions before (:mod:`training.text_encoder`): moved along with the
denoiser it forgot what sets scenes apart (a linear probe of its states found the scene of 79 % of held-out
captions, of an untrained encoder's 83 %, of one trained on captions alone 94 %).

v-prediction on a zero-terminal-SNR schedule, uniform timesteps, classifier-free guidance by dropped
captions, averaged weights, half precision with float32 master weights. A run lasts ``--minutes``; the rate is
warmed up, held, and brought down over the last part of the run. Run it again to go on.

    python -m training.denoiser --minutes 60
"""

import argparse
import copy
import logging
import time

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch.nn import functional
from transformers import CLIPTextModel

from training import checkpoints, parts, together
from training.autoencoder import COLOUR_SCALES
from training.batches import Batch, LatentSource
from training.contact_sheet import contact_sheet
from training.encode_views import load_autoencoder, open_cache
from training.panoramas import read_index
from training.precision import MasterAverage, MasterWeights, working_dtype
from training.vocabulary import build_tokenizer, collect_words

COLOUR_WEIGHT, TEXTURE_WEIGHT, COARSE_WEIGHT = 1.6, 0.6, 2.0

log = logging.getLogger(__name__)


class Model(torch.nn.Module):
    """Denoiser and fixed text encoder, from token ids to velocities."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder.requires_grad_(False).eval()

    def forward(self, noisy: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Predicted velocity, the shape of ``noisy``."""
        with torch.no_grad():
            words = self.text_encoder(tokens)[0]
        return self.unet(noisy.to(words.dtype), timesteps, words).sample


@torch.no_grad()
def take_over(model: torch.nn.Module, trained: torch.nn.Module) -> None:
    """Copy every weight of an earlier model whose name and shape fit (new latents need new ends only)."""
    weights = trained.state_dict()
    for name, weight in model.state_dict().items():
        if name in weights and weights[name].shape == weight.shape:
            weight.copy_(weights[name])


def load_text_encoder(text_encoder: CLIPTextModel, args: argparse.Namespace, device: torch.device) -> None:
    """Put the trained words into ``text_encoder``: from the runs folder or, without one, from the export."""
    state = checkpoints.load(args.runs / "text_encoder.pt", device)
    if state is None:
        trained = CLIPTextModel.from_pretrained(args.export / "text_encoder", dtype=torch.float32)
        state = {"average": trained.state_dict()}
    text_encoder.load_state_dict(state["average"])


def velocity_loss(
    model: Model, scheduler: parts.DDIMScheduler, batch: Batch, timesteps: torch.Tensor
) -> torch.Tensor:
    """Weighted squared error of the velocity per sample [N] (Salimans & Ho 2022, section 4).

    The channels of block colours count more than those of texture, and the error's mean over 4x4 cells
    counts again (a multiscale loss as in Hoogeboom et al. 2023, section 3.3): what a picture shows is
    learnt before its texture. No weighting of a squared error changes the best prediction.
    """
    noise = torch.randn_like(batch.latents)
    noisy = scheduler.add_noise(batch.latents, noise, timesteps)
    target = scheduler.get_velocity(batch.latents, noise, timesteps)
    error = model(noisy, timesteps, batch.tokens).float() - target
    weights = torch.full((error.shape[1], 1, 1), TEXTURE_WEIGHT, device=error.device)
    weights[: len(COLOUR_SCALES)] = COLOUR_WEIGHT
    fine = (weights * error.square()).mean((1, 2, 3))
    coarse = (weights * functional.avg_pool2d(error, 4).square()).mean((1, 2, 3))
    return fine + COARSE_WEIGHT * coarse


@torch.no_grad()
def held_out_loss(
    model: Model, scheduler: parts.DDIMScheduler, source: LatentSource, device: torch.device, batches: int = 8
) -> float:
    """The loss on held-out scenes, over the same views, noise and timesteps every time."""
    source.rng = np.random.default_rng(99)
    losses = []
    with torch.random.fork_rng():
        torch.manual_seed(99)
        for i in range(batches):
            batch = source.batch(32)
            timesteps = torch.linspace(15 + i, 984 + i, 32, device=device).long()
            losses.append(velocity_loss(model, scheduler, batch, timesteps).mean().item())
    return float(np.mean(losses))


def draw_timesteps(count: int) -> torch.Tensor:
    """Timesteps [count], one from each equal part of the distribution: less noise in the gradient than free
    draws. 45 % lie above 850, where the words alone decide what the picture will show."""
    quantiles = (torch.arange(count) + torch.rand(count)) / count
    low, high = 850 * quantiles / 0.55, 1000 - 150 * (1 - quantiles) / 0.45
    return torch.where(quantiles < 0.55, low, high).long().clamp(0, 999)


def drop_out(unet: UNet2DConditionModel, share: float) -> None:
    """Leave out ``share`` of the features in training; the exported model has none of it."""
    for part in unet.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = share


def rate_at(step: int, minutes: float, args: argparse.Namespace) -> float:
    """Warm-up by steps, then constant, then linear to a twentieth over the last part of the run."""
    remaining = 1 - minutes / args.minutes
    return args.rate * min(1.0, (step + 1) / 200) * max(0.05, min(1.0, remaining / args.decay))


def train(args: argparse.Namespace) -> None:
    """Train for ``--minutes``; a checkpoint and a contact sheet every ``--every`` minutes."""
    device = checkpoints.start(args)
    together.join(args.rank, args.world, args.runs / "meeting")
    records, cache = read_index(*args.data), open_cache(args.runs)
    tokenizer = parts.tokenizer_from(args.export / "tokenizer") or build_tokenizer(collect_words(records))
    vae = load_autoencoder(args.runs, args.export, device)
    vae.register_to_config(scaling_factor=cache.scaling_factor)
    model = Model(parts.build_unet(cache.latents.shape[2]), parts.build_text_encoder(tokenizer))
    path, step, seen = args.runs / "denoiser.pt", 0, 0
    state = checkpoints.load(path, device)
    if state is None and (args.export / "unet" / "config.json").is_file():
        take_over(model.unet, UNet2DConditionModel.from_pretrained(args.export / "unet"))
    load_text_encoder(model.text_encoder, args, device)
    together.same_start(model)
    averaged = copy.deepcopy(model).requires_grad_(False).eval().to(device)
    model.to(device, memory_format=torch.channels_last).unet.train()
    drop_out(model.unet, args.dropout)
    dtype = working_dtype(device)
    model.text_encoder.to(dtype)
    halved = Model(copy.deepcopy(averaged.unet).to(device, dtype), model.text_encoder)
    if device.type == "cpu":  # plain products train a tenth faster there than the fused kernels
        model.unet.set_attn_processor(AttnProcessor())
        model.text_encoder.set_attn_implementation("eager")
    ends = (model.unet.conv_in, model.unet.conv_out)
    masters = MasterWeights(model.unet, args.rate, plain=ends, dtype=dtype)
    average = MasterAverage(masters, args.average)
    if state is not None:
        masters.load_state_dict(state["masters"])
        averaged.unet.load_state_dict(state["average"])
        average.values = [parameter.clone() for parameter in averaged.unet.parameters()]
        step, seen = state["step"], state["seen"]
    scheduler = parts.build_scheduler()
    seed = args.seed + step + 7919 * args.rank
    torch.manual_seed(seed)
    source = LatentSource(cache, records, tokenizer, seed, device=device)
    held_out = LatentSource(cache, records, tokenizer, 0, held_out=True, device=device)
    log.info(
        "denoiser: %.2f M parameters, text encoder %.2f M, from step %d",
        checkpoints.parameter_count([model.unet]) / 1e6,
        checkpoints.parameter_count([model.text_encoder]) / 1e6,
        step,
    )
    if args.compile:
        model.unet.compile()
    began = saved = time.monotonic()
    running = torch.ones((), device=device)
    for batch in source.batches(args.batch, args.workers):
        minutes = together.agreed((time.monotonic() - began) / 60)
        masters.set_rate(rate_at(step, minutes, args))
        timesteps = draw_timesteps(args.batch).to(device)
        loss = velocity_loss(model, scheduler, batch, timesteps).mean()
        loss.backward()
        together.average_gradients(model.unet)
        masters.step()
        average.update(step)
        running.lerp_(torch.where(loss.isfinite(), loss, running).detach(), 0.02)
        step, seen = step + 1, seen + args.batch * args.world
        if step % 50 == 0:
            refused, rate = int(masters.refused), rate_at(step, minutes, args)
            log.info(
                "step %d, %.1f min, loss %.4f, rate %.2e, %d refused", step, minutes, running, rate, refused
            )
            masters.check()
        if args.rank > 0 and minutes > args.minutes:
            return
        if args.rank == 0 and (time.monotonic() - saved > 60 * args.every or minutes > args.minutes):
            average.copy_to(averaged.unet)
            average.copy_to(halved.unet)
            figure = held_out_loss(halved, scheduler, held_out, device)
            log.info("held out after %d steps, %d views seen: loss %.4f", step, seen, figure)
            checkpoints.save(
                path,
                {
                    "masters": masters.state_dict(),
                    "average": averaged.unet.state_dict(),
                    "step": step,
                    "seen": seen,
                    "held_out_loss": figure,
                },
            )
            pipeline = parts.build_pipeline(vae, averaged.text_encoder, tokenizer, averaged.unet)
            contact_sheet(pipeline, args.runs / f"sheet_{step:06d}.png")
            for views in (source, held_out):
                views.renew(open_cache(args.runs))
            saved = time.monotonic()
            if minutes > args.minutes:
                return


def main() -> None:
    """Command line."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="how long this run lasts")
    parser.add_argument("--every", type=float, default=10.0, help="minutes between checkpoints")
    parser.add_argument("--batch", type=int, default=32, help="views a step in each process")
    parser.add_argument("--rank", type=int, default=0, help="number of this process, see --world")
    parser.add_argument("--world", type=int, default=1, help="processes that train together, one a core")
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--decay", type=float, default=0.3, help="last share of the run with a falling rate")
    parser.add_argument("--average", type=float, default=0.999)
    parser.add_argument("--dropout", type=float, default=0.0, help="share of features left out in training")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw views and captions")
    parser.add_argument("--compile", action="store_true", help="compile the denoiser (on a GPU)")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
