# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the draft model's autoencoder: 8x down, eight channels, L1 + LPIPS on 128-pixel cut-outs.

The first three channels are taught to be the mean colour of their 8x8 pixels in an opponent basis, each of
about unit variance: no colour can get lost, and the denoiser finds layout and colour in smooth channels.
The other five are free and carry texture; they are kept near zero mean and unit standard deviation. A
little noise before the decoder makes it forgiving.

    python -m training.autoencoder --lpips alex.safetensors --minutes 20
"""

import argparse
import copy
import logging
import time
from pathlib import Path

import lpips
import numpy as np
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file
from torch.nn import functional

from training import checkpoints
from training.panoramas import is_held_out, open_pictures, read_index, to_panorama
from training.precision import MasterAverage, MasterWeights, working_dtype
from training.views import View, Window, cut_views, draw_view

VIEW_SIZE, CROP_SIZE = 256, 128
ENCODER_WIDTH, DECODER_WIDTH, LATENT_CHANNELS = 32, 64, 8
COLOUR_SCALES = (2.0, 2.7, 6.0)  # brightness, red-blue, green-magenta: to unit variance over the set
LATENT_NOISE = 0.05

log = logging.getLogger(__name__)


def build_autoencoder() -> AutoencoderTiny:
    """An AutoencoderTiny that is light at full resolution (no blocks there, only convolutions)."""
    return AutoencoderTiny(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(ENCODER_WIDTH,) * 4,
        num_encoder_blocks=(0, 2, 3, 3),
        decoder_block_out_channels=(DECODER_WIDTH,) * 4,
        num_decoder_blocks=(3, 3, 2, 0),
    )


def build_lpips(weights: Path | None) -> lpips.LPIPS:
    """LPIPS-alex in evaluation mode; without a weights file the package fetches its own."""
    if weights is None:
        return lpips.LPIPS(net="alex", verbose=False).eval().requires_grad_(False)
    net = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = {key: value.float() for key, value in load_file(weights).items()}
    missing = net.load_state_dict(state, strict=False).missing_keys
    if any(key.startswith(("net.", "lin0", "lin1", "lin2", "lin3", "lin4")) for key in missing):
        raise ValueError(f"{weights} lacks LPIPS-alex tensors: {missing[:4]}")
    return net.eval().requires_grad_(False)


class CropSource:
    """Batches of 128-pixel cut-outs from several panoramas, at the views' own pixels per degree."""

    def __init__(self, pictures: np.ndarray, rows: list[int], seed: int) -> None:
        self.pictures, self.rows, self.rng = pictures, rows, np.random.default_rng(seed)

    def batch(self, panoramas: int = 8, crops: int = 4) -> torch.Tensor:
        """float32 [panoramas * crops, 3, 128, 128] in [-1, 1]."""
        parts = []
        for row in self.rng.choice(self.rows, panoramas, replace=False):
            views = [draw_view(self.rng) for _ in range(crops)]
            corners = self.rng.integers(0, VIEW_SIZE - CROP_SIZE + 1, (crops, 2))
            windows = [Window(int(left), int(top), CROP_SIZE) for left, top in corners]
            parts.append(cut_views(to_panorama(self.pictures[row]), views, VIEW_SIZE, windows))
        return torch.cat(parts).contiguous(memory_format=torch.channels_last)


def held_out_views(pictures: np.ndarray, rows: list[int], per_panorama: int = 2) -> torch.Tensor:
    """The same held-out 256-pixel views every time, [N, 3, 256, 256] in [-1, 1]."""
    rng = np.random.default_rng(2026)
    cut = [cut_views(to_panorama(pictures[row]), _any_views(rng, per_panorama), VIEW_SIZE) for row in rows]
    return torch.cat(cut)


def _any_views(rng: np.random.Generator, count: int) -> list[View]:
    return [draw_view(rng) for _ in range(count)]


@torch.no_grad()
def measure(model: AutoencoderTiny, perceptual: lpips.LPIPS, views: torch.Tensor) -> dict[str, float]:
    """Mean PSNR (dB, on [0, 1]) and LPIPS-alex of reconstructions, in float32; latent statistics too."""
    psnr, distance, latents = [], [], []
    for part in views.split(8):
        latent = model.encode(part).latents
        output = model.decode(latent).sample.clamp(-1, 1)
        error = ((output - part) / 2).square().mean((1, 2, 3))
        psnr.append(-10 * error.clamp_min(1e-10).log10())
        distance.append(perceptual(output, part).flatten())
        latents.append(latent)
    latent = torch.cat(latents)
    return {
        "psnr": torch.cat(psnr).mean().item(),
        "lpips": torch.cat(distance).mean().item(),
        "latent_mean": latent.mean().item(),
        "latent_std": latent.std().item(),
    }


def block_colours(pictures: torch.Tensor) -> torch.Tensor:
    """What the first three latents must be: brightness, red-blue and green-magenta of 8x8 blocks.

    Pictures [N, 3, H, W] in [-1, 1] to [N, 3, H/8, W/8], each of about unit variance.
    """
    red, green, blue = functional.avg_pool2d(pictures.float(), 8).unbind(1)
    parts = ((red + green + blue) / 3, red - blue, green - (red + blue) / 2)
    return torch.stack([scale * part for scale, part in zip(COLOUR_SCALES, parts, strict=True)], dim=1)


def loss_terms(
    model: AutoencoderTiny, perceptual: lpips.LPIPS, batch: torch.Tensor, lpips_weight: float
) -> dict[str, torch.Tensor]:
    """L1, LPIPS, block colours, the free latents' distance from zero mean and unit variance; their total."""
    with torch.set_grad_enabled(model.encoder.training):
        latent = model.encoder(batch)
    output = model.decoder(latent + LATENT_NOISE * torch.randn_like(latent))
    colours = block_colours(batch)
    terms = {
        "l1": functional.l1_loss(output.float(), batch.float()),
        "lpips": perceptual(output, batch).float().mean(),
        "colour": functional.l1_loss(block_colours(output), colours),
    }
    terms["total"] = terms["l1"] + lpips_weight * terms["lpips"] + 0.1 * terms["colour"]
    if model.encoder.training:
        free = latent[:, 3:].float().transpose(0, 1).flatten(1)
        terms["code"] = functional.mse_loss(latent[:, :3].float(), colours)
        terms["free"] = free.mean(1).square().mean() + (free.std(1) - 1).square().mean()
        terms["total"] = terms["total"] + 0.5 * terms["code"] + 0.02 * terms["free"]
    return terms


def train(args: argparse.Namespace) -> None:
    """Train until ``--steps``, with a checkpoint and a held-out measurement every ``--every`` steps."""
    device = checkpoints.start(args)
    records = read_index(*args.data)
    pictures = open_pictures(records, args.runs)
    source = CropSource(pictures, [i for i, r in enumerate(records) if not is_held_out(r)], args.seed)
    views = held_out_views(pictures, [i for i, r in enumerate(records) if is_held_out(r)]).to(device)
    model = build_autoencoder().to(device, memory_format=torch.channels_last)
    perceptual = build_lpips(args.lpips).to(device, memory_format=torch.channels_last)
    dtype = working_dtype(device)
    half_perceptual = copy.deepcopy(perceptual).to(dtype)
    path, first = args.runs / "autoencoder.pt", 0
    state = checkpoints.load(path, device)
    if state is None and (args.export / "vae" / "config.json").is_file():
        exported = AutoencoderTiny.from_pretrained(args.export / "vae").float()
        if exported.config.latent_channels == LATENT_CHANNELS:
            model.load_state_dict(exported.state_dict())
    if args.decoder_only and state is not None:  # latents that a denoiser has learnt must stay what they are
        model.load_state_dict(state["average"])
    trained = model.decoder if args.decoder_only else model
    model.to(dtype).train()
    if args.decoder_only:
        model.encoder.eval().requires_grad_(False)
    ends = [
        layer
        for part in (model.encoder, model.decoder)
        for layer in (part.layers[0], part.layers[-1])
        if isinstance(layer, torch.nn.Conv2d)
    ]
    masters = MasterWeights(trained, args.rate, weight_decay=0.0, plain=ends, dtype=dtype)
    average = MasterAverage(masters, 0.998)
    averaged = build_autoencoder().eval().requires_grad_(False).to(device)
    if state is not None:
        if state["masters"] is not None and state["decoder_only"] == args.decoder_only:
            masters.load_state_dict(state["masters"])
            first = state["step"]
        averaged.load_state_dict(state["average"])
        average.values = [
            p.clone() for p in (averaged.decoder if args.decoder_only else averaged).parameters()
        ]
        source.rng = np.random.default_rng([args.seed, first])
    size = checkpoints.parameter_count([model]) / 1e6
    log.info("autoencoder: %.2f M parameters, from step %d", size, first)
    began, minutes, step = time.monotonic(), 0.0, first
    while minutes < args.minutes:
        minutes = (time.monotonic() - began) / 60
        rate = (
            args.rate
            * min(1, (step - first + 1) / 50)
            * max(0.03, min(1, (1 - minutes / args.minutes) / 0.4))
        )
        masters.set_rate(rate)
        batch = source.batch(args.panoramas).to(device, dtype)
        terms = loss_terms(model, half_perceptual, batch, args.lpips_weight)
        terms["total"].backward()
        masters.step()
        average.update(step)
        if step % 20 == 0:
            log.info("step %d, %.1f min %s", step, minutes, {k: round(v.item(), 4) for k, v in terms.items()})
            masters.check()
        step += 1
        last = minutes >= args.minutes
        if step % args.every == 0 or last:
            average.copy_to(averaged.decoder if args.decoder_only else averaged)
            figures = measure(averaged, perceptual, views if last else views[::4])
            log.info("held out after %d steps: %s", step, figures)
            checkpoints.save(
                path,
                {
                    "average": averaged.state_dict(),
                    "masters": masters.state_dict(),
                    "decoder_only": args.decoder_only,
                    "step": step,
                    "figures": figures,
                },
            )


def main() -> None:
    """Command line."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--lpips", type=Path, help="LPIPS-alex weights (safetensors)")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long this run lasts")
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--lpips-weight", type=float, default=1.0)
    parser.add_argument("--panoramas", type=int, default=8, help="panoramas a batch; four crops of each")
    parser.add_argument("--decoder-only", action="store_true", help="keep the encoder as it is")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
