# SPDX-License-Identifier: GPL-3.0-or-later
"""A sheet of sample pictures of a pipeline, to be looked at.

python -m training.contact_sheet --out training/runs/sheet.png
"""

import argparse
import logging
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from PIL import Image

from training import checkpoints
from training.precision import autocast

PROMPTS = (
    "sunset over a desert, clear sky, looking at the horizon",
    "a foggy forest in the morning, looking at the horizon",
    "mountain lake at noon, partly cloudy, looking at the horizon",
    "city street at night, looking at the horizon",
    "tropical beach, midday, clear sky, looking at the horizon",
    "stormy ocean, looking at the horizon",
    "snowy landscape at dusk, aurora, looking at the horizon",
    "red rock canyon, afternoon, looking at the horizon",
    "living room, looking at the horizon",
    "purple nebula in space, looking slightly up",
    "meadow, noon, white clouds, looking up at the sky",
    "meadow, noon, white clouds, looking straight down at the ground",
    "lava field at night, looking slightly down",
    "coral reef underwater, looking at the horizon",
    "sunset above the clouds, looking at the horizon, toward the sun",
    "starry sky over mountains at night, milky way, looking slightly up",
)

log = logging.getLogger(__name__)


@torch.no_grad()
def contact_sheet(
    pipeline: StableDiffusionPipeline,
    path: Path,
    steps: int = 20,
    guidance: float = 5.0,
    seed: int = 0,
    columns: int = 4,
) -> None:
    """Write the 256-pixel pictures of ``PROMPTS`` as one PNG; the seed of each is its number."""
    trained = pipeline.scheduler
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(trained.config)
    pipeline.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(seed + i) for i in range(len(PROMPTS))]
    with autocast(pipeline.device):
        pictures = pipeline(
            list(PROMPTS),
            num_inference_steps=steps,
            guidance_scale=guidance,
            height=256,
            width=256,
            generator=generators,
        ).images
    pipeline.scheduler = trained
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (256 * columns, 256 * rows))
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % columns * 256, i // columns * 256))
    sheet.save(path)
    log.info("contact sheet at %s", path)


def main() -> None:
    """Command line: a sheet of the exported model."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=5.0)
    args: argparse.Namespace = parser.parse_args()
    checkpoints.start(args)
    pipeline = StableDiffusionPipeline.from_pretrained(args.export, safety_checker=None)
    contact_sheet(pipeline, args.out, args.steps, args.guidance, args.seed)


if __name__ == "__main__":
    main()
