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
from collections import Counter
from typing import NamedTuple

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch.nn import functional
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from training import checkpoints, parts, together
from training.autoencoder import COLOUR_SCALES
from training.captions import view_caption
from training.contact_sheet import contact_sheet
from training.encode_views import LatentCache, cached_view, load_autoencoder, open_cache
from training.panoramas import Record, is_held_out, read_index
from training.precision import MasterAverage, MasterWeights, working_dtype
from training.vocabulary import build_tokenizer, collect_words

COMMON_WEATHER = 0.1
"""A weather with a smaller share of the panoramas is rare."""
COLOUR_WEIGHT, TEXTURE_WEIGHT, COARSE_WEIGHT = 1.6, 0.6, 2.0

log = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Scaled latents [N, C, 32, 32] and token ids [N, 48]."""

    latents: torch.Tensor
    tokens: torch.Tensor


class LatentSource:
    """Random batches of cached views of the given records, with fresh captions every time."""

    def __init__(
        self,
        cache: LatentCache,
        records: list[Record],
        tokenizer: PreTrainedTokenizerFast,
        seed: int,
        held_out: bool = False,
    ) -> None:
        self.cache, self.records, self.tokenizer = cache, records, tokenizer
        self.rows = [i for i, record in enumerate(records) if is_held_out(record) == held_out]
        self.rng = np.random.default_rng(seed)
        rarity = np.ones(len(self.rows)) if held_out else weather_chances([records[row] for row in self.rows])
        self.row_chances = rarity / rarity.sum()

    def batch(self, size: int) -> Batch:
        """``size`` random views."""
        pairs, tokens = self.draw(size)
        latents = np.stack([self.cache.latents[number, row] for number, row in pairs])
        scaled = torch.from_numpy(latents.astype(np.float32)) * self.cache.scaling_factor
        return Batch(scaled.contiguous(memory_format=torch.channels_last), tokens)

    def draw(self, size: int) -> tuple[list[tuple[int, int]], torch.Tensor]:
        """Random views as (number of the view, row of the record), and token ids [N, 48] of captions."""
        rows = self.rng.choice(self.rows, size, p=self.row_chances)
        pairs = list(zip(self.rng.integers(self.cache.ready, size=size).tolist(), rows.tolist(), strict=True))
        records = [(self.records[row], number) for number, row in pairs]
        texts = [view_caption(record, cached_view(record, number), self.rng) for record, number in records]
        return pairs, parts.tokenize(self.tokenizer, texts)


def weather_chances(records: list[Record]) -> np.ndarray:
    """How often each panorama is drawn [panoramas], relative: those in rare weather up to twice as often."""
    counts = Counter(record["weather"] for record in records)
    common = COMMON_WEATHER * len(records)
    return np.array([np.clip(common / counts[r["weather"]], 1.0, 4.0) ** 0.5 for r in records])


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
            batch = Batch(*(part.to(device) for part in source.batch(32)))
            timesteps = torch.linspace(15 + i, 984 + i, 32, device=device).long()
            losses.append(velocity_loss(model, scheduler, batch, timesteps).mean().item())
    return float(np.mean(losses))


def draw_timesteps(count: int) -> torch.Tensor:
    """Timesteps [count], one from each equal part of the distribution: less noise in the gradient than free
    draws. 45 % lie above 850, where the words alone decide what the picture will show."""
    quantiles = (torch.arange(count) + torch.rand(count)) / count
    low, high = 850 * quantiles / 0.55, 1000 - 150 * (1 - quantiles) / 0.45
    return torch.where(quantiles < 0.55, low, high).long().clamp(0, 999)


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
    averaged = copy.deepcopy(model).requires_grad_(False).eval()
    model.to(device, memory_format=torch.channels_last).unet.train()
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
    source = LatentSource(cache, records, tokenizer, args.seed + step + 7919 * args.rank)
    torch.manual_seed(args.seed + step + 7919 * args.rank)
    held_out = LatentSource(cache, records, tokenizer, 0, held_out=True)
    log.info(
        "denoiser: %.2f M parameters, text encoder %.2f M, from step %d",
        checkpoints.parameter_count([model.unet]) / 1e6,
        checkpoints.parameter_count([model.text_encoder]) / 1e6,
        step,
    )
    began = saved = time.monotonic()
    running = 1.0
    while True:
        minutes = together.agreed((time.monotonic() - began) / 60)
        masters.set_rate(rate_at(step, minutes, args))
        batch = Batch(*(part.to(device) for part in source.batch(args.batch)))
        timesteps = draw_timesteps(args.batch).to(device)
        loss = velocity_loss(model, scheduler, batch, timesteps).mean()
        loss.backward()
        together.average_gradients(model.unet)
        masters.step()
        average.update(step)
        running += 0.02 * (loss.item() - running)
        step, seen = step + 1, seen + args.batch * args.world
        if step % 50 == 0:
            log.info(
                "step %d, %.1f min, loss %.4f, rate %.2e",
                step,
                minutes,
                running,
                rate_at(step, minutes, args),
            )
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
            source.cache = held_out.cache = open_cache(args.runs)
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
    train(parser.parse_args())


if __name__ == "__main__":
    main()
