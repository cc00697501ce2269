# SPDX-License-Identifier: GPL-3.0-or-later
"""Latents as the denoiser leaves them: what the decoder must paint without a weave.

Views of the set are encoded, noised to a random step of 16 (one third wholly) and finished by the exported
denoiser with guidance. Written to ``runs/finished_PART.pt``: ``latents`` and the ``true`` ones
float16 [N, C, 32, 32] as the encoder gives them, the ``views`` uint8 [N, 3, 256, 256], the step ``start`` [N]
where the denoiser began.

    python -m training.finished_views --part training --count 640
"""

import argparse
import logging

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from training import checkpoints
from training.autoencoder import VIEW_SIZE
from training.captions import view_caption
from training.panoramas import Record, is_held_out, open_pictures, read_index, to_panorama
from training.precision import working_dtype
from training.views import cut_views, draw_view

STEPS, GUIDANCE = 16, 3.0
FIRST_STEPS = (0, 0, 4, 6, 8, 10)
"""Where the denoiser begins; at step 0 from noise alone."""
ROUND = 16

log = logging.getLogger(__name__)


def part_of(record: Record) -> str:
    """``held-out`` (numbers that end in 3), ``choice`` (in 7, they choose settings) or ``training``."""
    if is_held_out(record):
        return "held-out"
    return "choice" if int(record["id"]) % 10 == 7 else "training"


class Finisher:
    """The exported denoiser with its words, in the working precision."""

    def __init__(self, folder: str, device: torch.device) -> None:
        self.pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None).to(device)
        self.device, self.dtype = device, working_dtype(device)
        self.pipeline.unet.to(self.dtype, memory_format=torch.channels_last)

    def words(self, captions: list[str]) -> Tensor:
        """States of the captions [N, 48, D]."""
        tokenizer = self.pipeline.tokenizer
        tokens = tokenizer(
            captions, padding="max_length", max_length=48, truncation=True, return_tensors="pt"
        ).input_ids
        return self.pipeline.text_encoder(tokens.to(self.device))[0]

    @torch.no_grad()
    def __call__(self, true: Tensor, captions: list[str], first: int) -> Tensor:
        """Latents [N, C, h, w] that begin as ``true`` ones with the noise of step ``first``."""
        factor, scheduler = self.pipeline.vae.config.scaling_factor, self.pipeline.scheduler
        scheduler.set_timesteps(STEPS)
        noise = torch.randn_like(true)
        steps = scheduler.timesteps[first:]
        x = scheduler.add_noise(true * factor, noise, steps[:1].expand(len(true))) if first else noise
        states = self.words([""] * len(true) + captions).to(self.dtype)
        for step in steps:
            twice = torch.cat([x, x]).to(self.dtype).contiguous(memory_format=torch.channels_last)
            without, given = self.pipeline.unet(twice, step, states).sample.float().chunk(2)
            x = scheduler.step(without + GUIDANCE * (given - without), step, x).prev_sample
        return x / factor


def main() -> None:
    """Command line."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("training", "choice", "held-out"), default="training")
    parser.add_argument("--count", type=int, default=640)
    args = parser.parse_args()
    make(args)


def make(args: argparse.Namespace) -> None:
    """Make ``--count`` views of a part, a file after every round."""
    device = checkpoints.start(args)
    records = read_index(*args.data)
    pictures = open_pictures(records, args.runs)
    rows = [row for row, record in enumerate(records) if part_of(record) == args.part]
    finisher, rng = Finisher(str(args.export), device), np.random.default_rng(args.seed)
    kept: dict[str, list[Tensor]] = {"latents": [], "true": [], "views": [], "start": []}
    for made in range(ROUND, args.count + ROUND, ROUND):
        views, captions = [], []
        for row in rng.choice(rows, ROUND):
            sun = records[row]["sun"]
            view = draw_view(rng, sun["azimuth_deg"] if sun["visible"] else None)
            views.append(cut_views(to_panorama(pictures[row]), [view], VIEW_SIZE))
            captions.append(view_caption(records[row], view, rng))
        batch, first = torch.cat(views).to(device), int(rng.choice(FIRST_STEPS))
        with torch.no_grad():
            true = finisher.pipeline.vae.encode(batch).latents
        kept["latents"].append(finisher(true, captions, first).half().cpu())
        kept["true"].append(true.half().cpu())
        kept["views"].append(((batch.cpu() + 1) * 127.5).round().byte())
        kept["start"].append(torch.full((ROUND,), first))
        checkpoints.save(args.runs / f"finished_{args.part}.pt", {k: torch.cat(v) for k, v in kept.items()})
        log.info("%d of %d views", made, args.count)


if __name__ == "__main__":
    main()
