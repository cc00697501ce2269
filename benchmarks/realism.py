# SPDX-License-Identifier: GPL-3.0-or-later
"""Are single views of the model like rendered ones? KID on VGG features, with figures to read it by.

Reference: views of the held-out scenes. Against it, each as many other views:

- ``reconstructions``: of the same scenes, through the model's autoencoder (the aim: generated ≤ 3×);
- ``generated``: by the denoiser alone, one window a picture, asked with the captions of the same scenes
  and the same directions of view;
- ``held_out``: the same other views themselves, the floor;
- ``training``: views of scenes that the model was trained on, what a perfect memory of them would get;
- ``untrained``: the same U-Net with fresh weights.

    python -m benchmarks.realism --out out/coherence
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gallery import Gallery
from sync_engine.common.device import choose_device
from sync_engine.diffusion.joint_loop import WindowBatch, sample
from sync_engine.evaluation.features import VggFeatures
from sync_engine.evaluation.kid import kid
from sync_engine.evaluation.picture import Picture
from sync_engine.prompting.conditioning import Conditioning
from training.captions import direction_phrase, strip_photo_words
from training.encode_views import cached_view
from training.panoramas import DATA_FOLDER, Record, is_held_out, read_index, to_panorama
from training.views import View, cut_views

BATCH = 16
OTHER_VIEWS = 1000
"""Views with numbers from here on are not among those that training encodes."""

log = logging.getLogger(__name__)


class SeparateWindows:
    """A canvas of windows that have nothing to do with each other: single pictures, many at once."""

    def __init__(self, count: int) -> None:
        self.rows = [[number] for number in range(count)]
        self.elevations = [0.0] * count

    def gather(self, state: torch.Tensor) -> torch.Tensor:
        """Return the windows: they are the state."""
        return state

    def fuse(self, windows: torch.Tensor, coarse: bool = False) -> torch.Tensor:
        """Return the windows as they are."""
        return windows


def wanted(records: list[Record], first: int, views: int) -> list[tuple[Record, View]]:
    """Return some views of each scene; the same ones every time."""
    return [
        (record, cached_view(record, OTHER_VIEWS + number))
        for record in records
        for number in range(first, first + views)
    ]


def rendered(data: Path, chosen: list[tuple[Record, View]], size: int) -> Iterator[torch.Tensor]:
    """Yield views ``(3, size, size)`` in [-1, 1] of the panoramas."""
    from PIL import Image

    last, panorama = "", torch.empty(0)
    for record, view in chosen:
        if record["id"] != last:
            with Image.open(data / "ldr" / f"{record['id']}.webp") as image:
                last, panorama = record["id"], to_panorama(np.asarray(image.convert("RGB")))
        yield cut_views(panorama, [view], size)[0]


@torch.no_grad()
def reconstructed(backbone: Any, pictures: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Yield pictures after the model's autoencoder."""
    for view in pictures:
        latents = backbone.encode_picture(view[None].to(backbone.device))
        yield backbone.decode(latents)[0].float().cpu()


def generated(
    backbone: Any, chosen: list[tuple[Record, View]], steps: int, guidance: float
) -> Iterator[torch.Tensor]:
    """Yield one picture for each view's caption, ``(3, s, s)`` in [-1, 1]."""
    negative = backbone.encode([""])
    for start in range(0, len(chosen), BATCH):
        part = chosen[start : start + BATCH]
        # which of a scene's captions is as good as random: by the number of the view
        captions = [
            record["captions"][number % len(record["captions"])]
            for number, (record, _) in enumerate(part, start)
        ]
        prompts = [
            f"{strip_photo_words(caption)}, {direction_phrase(record, view)}"
            for caption, (record, view) in zip(captions, part, strict=True)
        ]
        conditioning = Conditioning.one_prompt_each(
            backbone.encode(prompts), negative, list(range(len(part))), guidance
        )
        noise = torch.randn(
            len(part),
            backbone.channels,
            backbone.window,
            backbone.window,
            generator=torch.Generator().manual_seed(start),
        ).to(backbone.device)
        canvas: Any = SeparateWindows(len(part))
        scheduler = backbone.scheduler("dpm", steps)
        latents = sample(backbone, canvas, scheduler, noise, conditioning, batch=WindowBatch(BATCH))
        with torch.no_grad():
            yield from backbone.decode(latents).float().cpu()


def features(pictures: Iterator[torch.Tensor], seen_by: VggFeatures) -> torch.Tensor:
    """Return KID's features ``(N, 512)`` of pictures in [-1, 1]."""
    return torch.cat([seen_by(Picture("view", view.add(1).div(2).clamp(0, 1), "plate")) for view in pictures])


def untrained(backbone: Any) -> None:
    """Give the loaded U-Net fresh weights, in place."""
    torch.manual_seed(0)
    fresh = type(backbone.unet).from_config(backbone.unet.config)
    backbone.unet.load_state_dict(fresh.state_dict())


def measure(gallery: Gallery, data: Path, out: Path, scenes: int, views: int) -> dict[str, Any]:
    """Return KID of every set against the held-out views; kept in ``OUT/realism`` by the gallery's name."""
    from sync_engine.catalog import models

    kept = out / "realism" / f"{gallery.name}-{scenes}x{views}.json"
    if kept.is_file():
        return json.loads(kept.read_text())
    model = models.find(gallery.model)
    steps = gallery.steps or model.steps
    records = read_index(data)
    held_out = [record for record in records if is_held_out(record)][:scenes]
    trained = [record for record in records if not is_held_out(record)]
    trained = [trained[i * len(trained) // len(held_out)] for i in range(len(held_out))]
    backbone, seen_by = gallery.backbone(), VggFeatures(choose_device("auto"))
    size = backbone.window * backbone.scale
    first, other = wanted(held_out, 0, views), wanted(held_out, views, views)
    log.info("realism: %d views a set", len(first))
    reference = features(rendered(data, first, size), seen_by)
    sets = {
        "reconstructions": lambda: reconstructed(backbone, rendered(data, other, size)),
        "held_out": lambda: rendered(data, other, size),
        "training": lambda: rendered(data, wanted(trained, 0, views), size),
        "generated": lambda: generated(backbone, other, steps, model.guidance),
        "untrained": lambda: generated(backbone, other, steps, model.guidance),
    }
    report: dict[str, Any] = {"views": len(first), "steps": steps, "guidance": model.guidance, "kid_vgg": {}}
    for name, pictures in sets.items():
        if name == "untrained":
            untrained(backbone)
        mean, spread = kid(reference, features(pictures(), seen_by))
        report["kid_vgg"][name] = {"mean": mean, "spread": spread}
        log.info("realism: %s %.4f ± %.4f", name, mean, spread)
    gallery.engine.release()  # its U-Net is the untrained one now
    made, floor = (report["kid_vgg"][name]["mean"] for name in ("generated", "reconstructions"))
    # the estimate is unbiased: of like sets it may be below zero, and a ratio to that says nothing
    report["generated_over_reconstructions"] = made / floor if floor > 0 else None
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(report, indent=2))
    return report


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/coherence"))
    parser.add_argument("--data", type=Path, default=DATA_FOLDER, help="folder of the panorama set")
    parser.add_argument("--model", default="draft")
    parser.add_argument("--scenes", type=int, default=110, help="held-out scenes")
    parser.add_argument("--views", type=int, default=3, help="views of each scene in each set")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    gallery = Gallery(options.out, options.model)
    report = measure(gallery, options.data, options.out, options.scenes, options.views)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
