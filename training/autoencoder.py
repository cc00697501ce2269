"""Train the draft model's autoencoder: 8x down, six channels, L1 + LPIPS on 128-pixel cut-outs.

The latents are kept near zero mean and unit standard deviation and get a little noise before they are
decoded, which makes them smooth enough for a small denoiser.

    python -m training.autoencoder --lpips alex.safetensors --steps 2000
"""

import argparse
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
from training.views import View, Window, cut_views, draw_view

VIEW_SIZE, CROP_SIZE = 256, 128
ENCODER_WIDTH, DECODER_WIDTH, LATENT_CHANNELS = 32, 64, 6
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


def opponent_colours(pictures: torch.Tensor) -> torch.Tensor:
    """Red-blue and green-magenta differences of 8x8 blocks [N, 2, H/8, W/8]."""
    red, green, blue = functional.avg_pool2d(pictures.float(), 8).unbind(1)
    return torch.stack([red - blue, 2 * green - red - blue], dim=1)


def loss_terms(
    model: AutoencoderTiny, perceptual: lpips.LPIPS, batch: torch.Tensor, lpips_weight: float
) -> dict[str, torch.Tensor]:
    """L1, LPIPS, block colours and the latents' distance from zero mean and unit variance, with their total.

    Without the colour term green and magenta, rare in skies, are dropped altogether for hundreds of steps.
    """
    with torch.set_grad_enabled(model.encoder.training):
        latent = model.encoder(batch)
    noisy = latent + LATENT_NOISE * torch.randn_like(latent)
    output = model.decoder(noisy)
    flat = latent.float().transpose(0, 1).flatten(1)
    terms = {
        "l1": functional.l1_loss(output.float(), batch),
        "lpips": perceptual(output, batch).float().mean(),
        "colour": functional.l1_loss(opponent_colours(output), opponent_colours(batch)),
        "latent": flat.mean(1).square().mean() + (flat.std(1) - 1).square().mean(),
    }
    terms["total"] = terms["l1"] + lpips_weight * terms["lpips"] + 0.5 * terms["colour"]
    if model.encoder.training:
        terms["total"] = terms["total"] + 0.02 * terms["latent"]
    return terms


def train(args: argparse.Namespace) -> None:
    """Train until ``--steps``, with a checkpoint and a held-out measurement every ``--every`` steps."""
    device = checkpoints.start(args)
    records = read_index(args.data)
    pictures = open_pictures(args.data, records, args.runs)
    source = CropSource(pictures, [i for i, r in enumerate(records) if not is_held_out(r)], args.seed)
    views = held_out_views(pictures, [i for i, r in enumerate(records) if is_held_out(r)]).to(device)
    model = build_autoencoder().to(device, memory_format=torch.channels_last)
    perceptual = build_lpips(args.lpips).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.99), weight_decay=0.0)
    average = checkpoints.Average(model, 0.998)
    path, first = args.runs / "autoencoder.pt", 0
    if (state := checkpoints.load(path, device)) is not None:
        model.load_state_dict(state["model"])
        average.module.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
        source.rng = np.random.default_rng([args.seed, first])
    elif (args.export / "vae" / "config.json").is_file():
        model.load_state_dict(AutoencoderTiny.from_pretrained(args.export / "vae").float().state_dict())
        average = checkpoints.Average(model, 0.998)
    if args.decoder_only:  # latents that a denoiser has learnt must stay what they are
        model.encoder.load_state_dict(average.module.encoder.state_dict())
        model.encoder.eval().requires_grad_(False)
    size = checkpoints.parameter_count([model]) / 1e6
    log.info("autoencoder: %.2f M parameters, from step %d", size, first)
    began = time.monotonic()
    for step in range(first, args.steps):
        checkpoints.set_learning_rate(optimizer, checkpoints.learning_rate(step, args.steps, args.rate, 50))
        batch = source.batch(args.panoramas).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            terms = loss_terms(model, perceptual, batch, args.lpips_weight)
        optimizer.zero_grad(set_to_none=True)
        terms["total"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model, step)
        if step % 20 == 0:
            log.info(
                "step %d %s %.2f s/step",
                step,
                {k: round(v.item(), 4) for k, v in terms.items()},
                (time.monotonic() - began) / (step - first + 1),
            )
        if (step + 1) % args.every == 0 or step + 1 == args.steps:
            figures = measure(average.module, perceptual, views if step + 1 == args.steps else views[::4])
            log.info("held out after %d steps: %s", step + 1, figures)
            checkpoints.save(
                path,
                {
                    "model": model.state_dict(),
                    "average": average.module.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step + 1,
                    "figures": figures,
                },
            )


def main() -> None:
    """Command line."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--lpips", type=Path, help="LPIPS-alex weights (safetensors)")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--lpips-weight", type=float, default=0.4)
    parser.add_argument("--panoramas", type=int, default=8, help="panoramas a batch; four crops of each")
    parser.add_argument("--decoder-only", action="store_true", help="keep the encoder as it is")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
