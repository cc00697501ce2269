# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut views of every panorama and keep their latents, so that the denoiser never decodes a picture.

Latents go to ``runs/latents.npy``, float16 [views, panoramas, C, 32, 32] as the encoder gives them
(unscaled). Views are drawn from the panorama's number and the view's number alone, so nothing else need
be stored. Work goes in rounds over all panoramas: after each, training can use what is there.

    python -m training.encode_views --views 32
"""

import argparse
import json
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderTiny

from training import checkpoints
from training.autoencoder import VIEW_SIZE, build_autoencoder
from training.panoramas import Record, open_pictures, read_index, to_panorama
from training.precision import autocast
from training.views import View, cut_views, draw_view

LATENT_SIZE = VIEW_SIZE // 8
UNSCALED = 1.0
"""The scaling factor of an autoencoder whose latents no denoiser has learnt yet."""

log = logging.getLogger(__name__)


class LatentCache(NamedTuple):
    """Encoded views: ``latents`` [views, panoramas, C, 32, 32], of which ``ready`` views are complete."""

    latents: np.ndarray
    ready: int
    scaling_factor: float


def cached_view(record: Record, number: int) -> View:
    """The view that lies at ``latents[number, row of the record]``."""
    sun = record["sun"]
    azimuth = sun["azimuth_deg"] if sun["visible"] else None
    return draw_view(np.random.default_rng([int(record["id"]), number]), azimuth)


def open_cache(runs: Path) -> LatentCache:
    """The cache as far as it is complete; raises FileNotFoundError when nothing is there."""
    state = json.loads((runs / "latents.json").read_text(encoding="utf-8"))
    return LatentCache(np.load(runs / "latents.npy", mmap_mode="r"), state["ready"], state["scaling_factor"])


def load_autoencoder(runs: Path, export: Path, device: torch.device) -> AutoencoderTiny:
    """The averaged autoencoder of the newest checkpoint, else the exported one."""
    if (state := checkpoints.load(runs / "autoencoder.pt", device)) is not None:
        model = build_autoencoder()
        model.load_state_dict(state["average"])
    else:
        model = AutoencoderTiny.from_pretrained(export / "vae").float()
    return model.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


@torch.no_grad()
def encode(args: argparse.Namespace) -> None:
    """Encode the missing rounds of views."""
    device = checkpoints.start(args)
    records = read_index(*args.data)
    pictures = open_pictures(records, args.runs)
    model = load_autoencoder(args.runs, args.export, device)
    shape = (args.views, len(records), model.config.latent_channels, LATENT_SIZE, LATENT_SIZE)
    path, state_path = args.runs / "latents.npy", args.runs / "latents.json"
    first, scaling = 0, model.config.scaling_factor  # a denoiser that goes on keeps its scale
    if path.is_file() and state_path.is_file() and np.load(path, mmap_mode="r").shape == shape:
        cache = open_cache(args.runs)
        first, scaling = cache.ready, cache.scaling_factor
        latents = np.lib.format.open_memmap(path, "r+")
    else:
        latents = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    for start in range(first, args.views, args.round):
        numbers = range(start, min(start + args.round, args.views))
        for row, record in enumerate(records):
            views = [cached_view(record, number) for number in numbers]
            batch = cut_views(to_panorama(pictures[row], device), views, VIEW_SIZE)
            with autocast(device):
                encoded = model.encoder(batch.contiguous(memory_format=torch.channels_last))
            found = encoded.float().cpu().numpy()
            if not np.isfinite(found).all():
                raise ValueError(f"panorama {record['id']}: latents of its views are no finite numbers")
            latents[start : numbers.stop, row] = found
            if row % 100 == 0:
                log.info("views %d to %d: panorama %d of %d", start, numbers.stop - 1, row, len(records))
        if scaling == UNSCALED:
            scaling = 1.0 / float(latents[: numbers.stop].astype(np.float32).std())
        latents.flush()
        state = {"ready": numbers.stop, "scaling_factor": scaling}
        state_path.write_text(json.dumps(state), encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--views", type=int, default=32, help="views per panorama")
    parser.add_argument("--round", type=int, default=8, help="views per panorama and round")
    encode(parser.parse_args())


if __name__ == "__main__":
    main()
