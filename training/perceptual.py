# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the perceptual net: a classifier of noisy, blurry latents whose features ``sync`` compares.

python -m training.perceptual --minutes 6
"""

import argparse
import logging
import time

import numpy as np
import torch
from torch.nn import functional

from sync_engine.sync.perceptual_net import LatentFeatures
from training import checkpoints
from training.denoiser import take_over
from training.encode_views import LatentCache, open_cache
from training.panoramas import Record, is_held_out, read_index
from training.precision import autocast

SINGLE = ("scene", "time", "weather")

log = logging.getLogger(__name__)
Labels = dict[str, torch.Tensor]


def class_names(records: list[Record]) -> dict[str, list[str]]:
    """Class names per head, sorted: the single-label fields, and the colours (several at once)."""
    heads = {field: sorted({record[field] for record in records}) for field in SINGLE}
    return {**heads, "colours": sorted({colour for record in records for colour in record["colours"]})}


def labels_of(records: list[Record], heads: dict[str, list[str]]) -> Labels:
    """Class numbers [N] per single-label head and 0/1 rows [N, classes] of colours."""
    labels = {
        field: torch.tensor([heads[field].index(record[field]) for record in records]) for field in SINGLE
    }
    labels["colours"] = torch.tensor(
        [[float(colour in record["colours"]) for colour in heads["colours"]] for record in records]
    )
    return labels


def degrade(latents: torch.Tensor) -> torch.Tensor:
    """Latents like predictions of an early step: half of them blurred 2x or 4x, all with some noise."""
    factor = int(torch.tensor([1, 1, 2, 4])[torch.randint(4, ())])
    if factor > 1:
        small = functional.avg_pool2d(latents, factor)
        latents = functional.interpolate(small, scale_factor=factor, mode="bilinear")
    strength = 0.5 * torch.rand(len(latents), 1, 1, 1, device=latents.device).square()
    return latents + strength * torch.randn_like(latents)


def take(cache: LatentCache, rows: np.ndarray, numbers: np.ndarray) -> torch.Tensor:
    """Scaled latents of the given panoramas and views, mirrored by chance outside."""
    picked = np.stack([cache.latents[n, row] for n, row in zip(numbers, rows, strict=True)])
    return torch.from_numpy(picked.astype(np.float32)) * cache.scaling_factor


def loss_of(logits: Labels, labels: Labels) -> torch.Tensor:
    """Cross entropies of the single-label heads plus binary cross entropy of the colours."""
    losses = [
        functional.cross_entropy(logits[field].float(), labels[field], label_smoothing=0.05)
        for field in SINGLE
    ]
    losses.append(functional.binary_cross_entropy_with_logits(logits["colours"].float(), labels["colours"]))
    return torch.stack(losses).sum()


@torch.no_grad()
def accuracy(
    net: LatentFeatures, cache: LatentCache, rows: list[int], labels: Labels, device: torch.device
) -> dict[str, float]:
    """Share of right answers per head on all cached views of ``rows`` (clean latents, single views)."""
    hits = dict.fromkeys((*SINGLE, "colours"), 0.0)
    for number in range(min(cache.ready, 8)):
        latents = take(cache, np.array(rows), np.full(len(rows), number)).to(device)
        for field, logits in net(latents).items():
            truth = labels[field][rows].to(device)
            right = (logits > 0) == (truth > 0.5) if field == "colours" else logits.argmax(1) == truth
            hits[field] += right.float().mean().item()
    return {field: round(total / min(cache.ready, 8), 4) for field, total in hits.items()}


def train(args: argparse.Namespace) -> None:
    """Train for ``--minutes``, then measure on held-out scenes and write the checkpoint."""
    device = checkpoints.start(args)
    records, cache = read_index(*args.data), open_cache(args.runs)
    heads = class_names(records)
    labels = labels_of(records, heads)
    net = LatentFeatures(cache.latents.shape[2], heads)
    path = args.runs / "perceptual.pt"
    state = checkpoints.load(path, device)
    if state is not None:
        net.load_state_dict(state["average"])
    elif (args.export / "perceptual" / "config.json").is_file():
        take_over(net, LatentFeatures.from_folder(args.export / "perceptual"))
    net.requires_grad_(True).to(device, memory_format=torch.channels_last).train()
    average = checkpoints.Average(net, 0.995)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.05)
    rng = np.random.default_rng(args.seed + (state["step"] if state else 0))
    rows = [i for i, record in enumerate(records) if not is_held_out(record)]
    log.info("perceptual net: %.2f M parameters", checkpoints.parameter_count([net]) / 1e6)
    began, step, progress = time.monotonic(), 0, 0.0
    while progress < 1:
        progress = (time.monotonic() - began) / (60 * args.minutes)
        rate = args.rate * min(1, (step + 1) / 50) * max(0.02, 1 - progress)
        checkpoints.set_learning_rate(optimizer, rate)
        chosen = rng.choice(rows, args.batch)
        latents = take(cache, chosen, rng.integers(0, cache.ready, args.batch)).to(device)
        truth = {field: values[chosen].to(device) for field, values in labels.items()}
        with autocast(device):
            loss = loss_of(net(degrade(latents).contiguous(memory_format=torch.channels_last)), truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update(net, step)
        step += 1
        if step % 50 == 0:
            log.info("step %d, loss %.3f", step, loss.item())
    held_out = [i for i, record in enumerate(records) if is_held_out(record)]
    figures = accuracy(average.module, cache, held_out, labels, device)
    log.info("held-out accuracy of single views after %d steps: %s", step, figures)
    total = step + (state["step"] if state else 0)
    checkpoints.save(
        path,
        {
            "average": average.module.state_dict(),
            "config": average.module.config,
            "step": total,
            "figures": figures,
        },
    )


def main() -> None:
    """Command line."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=2e-3)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
