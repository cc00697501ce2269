# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the text encoder on captions alone: from the words of a view to its layout of colours and its scene.

No picture is denoised here, so a step is cheap and the captions are seen far more often than the denoiser
could: the words learn what they look like (the view's block colours on an 8x8 grid) and what sets scenes
apart (scene, time, weather). Half of a batch are captions of no picture, with scene, time and weather drawn
each by itself, so that "fog" means fog and not the forest it was seen in; of these the direction of view is
read back too. The heads are thrown away; the denoiser trains beside the fixed encoder.

An exported encoder is trained further and kept near what it was, as the denoiser has learnt to read it;
``--anew`` begins from random weights.

    python -m training.text_encoder --minutes 8
"""

import argparse
import logging
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from training import checkpoints, parts
from training.autoencoder import COLOUR_SCALES
from training.batches import Batch, LatentSource
from training.captions import DIRECTIONS, LIGHTS, invented_caption
from training.encode_views import open_cache
from training.panoramas import Record, read_index
from training.perceptual import SINGLE, class_names, labels_of
from training.precision import MasterAverage, MasterWeights, working_dtype
from training.vocabulary import build_tokenizer, collect_words

GRID = 8
SAID = {"direction": list(DIRECTIONS), "light": list(LIGHTS)}
"""What an invented caption says of the view itself: where it looks, and toward the sun or the moon."""
NEARNESS = 0.1
"""Weight of the squared distance to the states of the encoder that the denoiser has learnt."""

log = logging.getLogger(__name__)


class CaptionSource(LatentSource):
    """Captions of random cached views with the layouts of those views and the rows of their records."""

    def layouts(self, size: int) -> tuple[Batch, list[int]]:
        """Layouts [N, 3, 8, 8] and token ids [N, 48] in a batch, and the records' rows [N]."""
        pairs, tokens = self.draw(size)
        colours = np.stack([self.cache.latents[number, row, : len(COLOUR_SCALES)] for number, row in pairs])
        scaled = torch.from_numpy(colours.astype(np.float32)) * self.cache.scaling_factor
        layouts = functional.avg_pool2d(scaled, scaled.shape[-1] // GRID)
        return Batch(layouts, tokens), [row for _, row in pairs]


class Reader(nn.Module):
    """The text encoder with its heads: layout of colours, and logits of each field of ``classes``."""

    def __init__(self, text_encoder: nn.Module, classes: dict[str, list[str]]) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.layout = nn.Sequential(
            nn.Linear(parts.TEXT_WIDTH, 512), nn.SiLU(), nn.Linear(512, len(COLOUR_SCALES) * GRID**2)
        )
        self.labels = nn.ModuleDict(
            {field: nn.Linear(parts.TEXT_WIDTH, len(names)) for field, names in classes.items()}
        )

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Layouts [N, 3, 8, 8] and logits [N, classes] per field from the encoder's states [N, 48, width]."""
        pooled = states.mean(1)
        layout = self.layout(pooled).unflatten(1, (len(COLOUR_SCALES), GRID, GRID))
        return layout, {field: head(pooled) for field, head in self.labels.items()}


def invented(
    classes: dict[str, list[str]], tokenizer: PreTrainedTokenizerFast, size: int, rng: np.random.Generator
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Token ids [N, 48] of invented captions and their class numbers [N] per field."""
    drawn = [invented_caption(rng) for _ in range(size)]
    labels = {f: torch.tensor([classes[f].index(record[f]) for record, _ in drawn]) for f in classes}
    return parts.tokenize(tokenizer, [caption for _, caption in drawn]), labels


def loss_of(
    reader: Reader,
    states: torch.Tensor,
    layouts: torch.Tensor,
    truth: dict[str, torch.Tensor],
    label_weight: float = 0.2,
) -> torch.Tensor:
    """Squared error of the layouts plus the cross entropies of the labels, in float32.

    ``layouts`` are known of the first states only; labels of all, or of the last ones.
    """
    layout, logits = reader(states)
    entropies = [
        functional.cross_entropy(logits[field][-len(known) :].float(), known, label_smoothing=0.05)
        for field, known in truth.items()
    ]
    seen = layout[: len(layouts)].float()
    return functional.mse_loss(seen, layouts) + label_weight * torch.stack(entropies).sum()


@torch.no_grad()
def held_out_figures(
    reader: Reader, source: CaptionSource, labels: dict[str, torch.Tensor], batches: int = 16
) -> dict[str, float]:
    """Share of the layouts' variance explained and of labels found, on captions of held-out scenes."""
    source.rng = np.random.default_rng(99)
    error, variance, hits = 0.0, 0.0, dict.fromkeys(SINGLE, 0.0)
    for _ in range(batches):
        batch, rows = source.layouts(128)
        layout, logits = reader(reader.text_encoder(batch.tokens)[0])
        error += functional.mse_loss(layout.float(), batch.latents).item()
        variance += (batch.latents - batch.latents.mean(0)).square().mean().item()
        for field in SINGLE:
            hits[field] += (logits[field].argmax(1) == labels[field][rows]).float().mean().item() / batches
    return {"explained": round(1 - error / variance, 4), **{f: round(hit, 4) for f, hit in hits.items()}}


def train(args: argparse.Namespace) -> None:
    """Train for ``--minutes``; measure on held-out scenes and write ``text_encoder.pt``."""
    device = checkpoints.start(args)
    records: list[Record] = read_index(*args.data)
    cache, names = open_cache(args.runs), class_names(records)
    classes = {**{field: names[field] for field in SINGLE}, **SAID}
    tokenizer = parts.tokenizer_from(args.export / "tokenizer") or build_tokenizer(collect_words(records))
    labels = labels_of(records, names)
    encoder, before = parts.build_text_encoder(tokenizer), None
    dtype = working_dtype(device)
    if not args.anew and (args.export / "text_encoder" / "config.json").is_file():
        before = CLIPTextModel.from_pretrained(args.export / "text_encoder", dtype=torch.float32)
        encoder.load_state_dict(before.state_dict())
        before.to(dtype).eval().requires_grad_(False)
    reader = Reader(encoder, classes)
    source = CaptionSource(cache, records, tokenizer, args.seed)
    held_out = CaptionSource(cache, records, tokenizer, 0, held_out=True)
    masters = MasterWeights(reader, args.rate, weight_decay=0.05, dtype=dtype)
    average = MasterAverage(masters, 0.99)
    began, step, progress = time.monotonic(), 0, 0.0
    while progress < 1:
        progress = (time.monotonic() - began) / (60 * args.minutes)
        masters.set_rate(args.rate * min(1, (step + 1) / 50) * max(0.02, 1 - progress))
        batch, rows = source.layouts(args.batch // 2)
        tokens, truth = invented(classes, tokenizer, args.batch - len(rows), source.rng)
        tokens = torch.cat([batch.tokens, tokens])
        truth |= {field: torch.cat([labels[field][rows], truth[field]]) for field in SINGLE}
        states = encoder(tokens)[0]
        loss = loss_of(reader, states, batch.latents, truth)
        if before is not None:
            loss = loss + NEARNESS * functional.mse_loss(states.float(), before(tokens)[0].float())
        loss.backward()
        masters.step()
        average.update(step)
        step += 1
        if step % 50 == 0:
            log.info("step %d, loss %.3f", step, loss.item())
            masters.check()
    average.copy_to(reader.float())
    figures = held_out_figures(reader.eval(), held_out, labels)
    log.info("held-out captions after %d steps: %s", step, figures)
    tokens, truth = invented(classes, tokenizer, 512, np.random.default_rng(99))
    with torch.no_grad():
        logits = reader(encoder(tokens)[0])[1]
    found = {f: round((logits[f].argmax(1) == truth[f]).float().mean().item(), 4) for f in classes}
    log.info("invented captions: %s", found)
    checkpoints.save(
        args.runs / "text_encoder.pt",
        {"average": reader.text_encoder.state_dict(), "step": step, "figures": figures},
    )


def main() -> None:
    """Command line."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--anew", action="store_true", help="do not go on from the exported encoder")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
