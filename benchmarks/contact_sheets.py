# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets: every prompt, two seeds, the methods side by side, worlds and plates.

    python -m benchmarks.contact_sheets

Writes ``docs/images/sheet-KIND-N.webp``. A world is shown as its equirectangular picture with the views
straight up and straight down beside it. Pictures are shared with ``benchmarks.coherence`` (``--out``).
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch.nn.functional import interpolate

from benchmarks.gallery import Case, Gallery, Prompt, read_prompts
from sync_engine.canvas.views import View, cut_view
from sync_engine.evaluation import picture
from sync_engine.interface.limits import KINDS
from sync_engine.sync.methods import METHODS

WIDTH, MARGIN, LABEL = 1280, 4, 18
ROWS_PER_SHEET = 12
QUALITY = 80
POLES = (View(0.0, 90.0, 90.0), View(0.0, -90.0, 90.0))

log = logging.getLogger(__name__)


def to_image(pixels: torch.Tensor, size: tuple[int, int]) -> Image.Image:
    """Return pixels ``(3, H, W)`` in [0, 1] as an image of ``(width, height)``."""
    small = interpolate(pixels[None], size[::-1], mode="bilinear", antialias=True)[0].clamp(0, 1)
    return Image.fromarray((small * 255).round().byte().permute(1, 2, 0).numpy())


def tile(seen: picture.Picture, width: int) -> Image.Image:
    """Return a picture as a tile of a width: a plate whole, a world with its zenith and nadir."""
    if seen.kind == "plate":
        height = round(width * seen.pixels.shape[1] / seen.pixels.shape[2])
        return to_image(seen.pixels, (width, height))
    side = width // 5
    height = 2 * side
    image = Image.new("RGB", (width, height), "white")
    image.paste(to_image(seen.pixels, (width - side - 2, height)))
    for number, pole in enumerate(POLES):
        view = to_image(cut_view(seen.pixels, pole, 2 * side)[0], (side, side - 1))
        image.paste(view, (width - side, number * (side + 1)))
    return image


def sheet(rows: list[tuple[str, list[list[Image.Image]]]], columns: list[str]) -> Image.Image:
    """Return rows of (label, lines of tiles) as one image under the columns' titles."""
    font = ImageFont.load_default(13)
    heights = [LABEL + sum(line[0].height + MARGIN for line in lines) for _, lines in rows]
    image = Image.new("RGB", (WIDTH, LABEL + sum(heights) + MARGIN), "white")
    draw = ImageDraw.Draw(image)
    step = WIDTH // len(columns)
    for number, title in enumerate(columns):
        draw.text((number * step + MARGIN, 2), title, "black", font)
    top = LABEL
    for (label, lines), height in zip(rows, heights, strict=True):
        draw.text((MARGIN, top + 2), label, (90, 90, 90), font)
        y = top + LABEL
        for line in lines:
            for number, one in enumerate(line):
                image.paste(one, (number * step, y))
            y += line[0].height + MARGIN
        top += height
    return image


def row_of(
    gallery: Gallery, kind: str, prompt: Prompt, methods: list[str], seeds: int
) -> list[list[Image.Image]]:
    """Return the tiles of one prompt: a world's all in one line, a plate's with a line for each seed."""

    def shown(method: str, seed: int, width: int) -> Image.Image:
        folder = gallery.result(Case(kind, method, prompt, seed))
        return tile(picture.read(picture.find([folder])[0]), width)

    if kind == "plate":
        width = WIDTH // len(methods) - MARGIN
        return [[shown(method, seed, width) for method in methods] for seed in range(seeds)]
    width = WIDTH // (len(methods) * seeds) - MARGIN
    return [[shown(method, seed, width) for seed in range(seeds) for method in methods]]


def make(options: argparse.Namespace) -> list[Path]:
    """Make the missing pictures and write all sheets; return their paths."""
    gallery = Gallery(options.out, options.model)
    prompts = read_prompts(options.prompts)
    options.images.mkdir(parents=True, exist_ok=True)
    written = []
    for kind in options.kinds:
        columns = list(options.methods)
        if kind == "world":
            columns = [f"{method}, seed {seed}" for seed in range(options.seeds) for method in columns]
        for old in options.images.glob(f"sheet-{kind}-*.webp"):
            old.unlink()
        for start in range(0, len(prompts), ROWS_PER_SHEET):
            rows = [
                (prompt.prompt, row_of(gallery, kind, prompt, options.methods, options.seeds))
                for prompt in prompts[start : start + ROWS_PER_SHEET]
            ]
            path = options.images / f"sheet-{kind}-{start // ROWS_PER_SHEET + 1}.webp"
            sheet(rows, columns).save(path, quality=QUALITY, method=6)
            log.info("%s: %d KB", path, path.stat().st_size >> 10)
            written.append(path)
    return written


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/coherence"), help="where pictures are kept")
    parser.add_argument("--images", type=Path, default=Path("docs/images"))
    parser.add_argument("--model", default="draft")
    parser.add_argument("--prompts", type=int, default=36)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["world", "plate"])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["multidiffusion", "sync"])
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    make(options)


if __name__ == "__main__":
    main()
