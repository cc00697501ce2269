# SPDX-License-Identifier: GPL-3.0-or-later
"""The panorama set on disk: records, the held-out split and the decoded pictures.

``index.jsonl`` and ``ldr/ID.webp`` are described in the data set's readme. A set may lie in several folders:
panoramas rendered later stand beside the first ones, with numbers of their own. Pictures are decoded
once into one uint8 memory map, because decoding WebP costs more than cutting a view.
"""

import json
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

DATA_FOLDER = Path("../shared/panoramas")
RUNS_FOLDER = Path("training/runs")
WIDTH, HEIGHT = 1024, 512
HELD_OUT_EVERY, HELD_OUT_REMAINDER = 10, 3

log = logging.getLogger(__name__)
Record = dict[str, Any]


def is_held_out(record: Record) -> bool:
    """Whether a scene belongs to the 10 % that nothing is ever trained on (by its number alone)."""
    return int(record["id"]) % HELD_OUT_EVERY == HELD_OUT_REMAINDER


def read_index(*folders: Path) -> list[Record]:
    """All records of the set, in order, each with its ``picture`` (a path).

    Raises FileNotFoundError with a hint when a folder holds none, ValueError when two have the same number.
    """
    records: list[Record] = []
    for folder in folders:
        path = folder / "index.jsonl"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: pass --data, or render the set with training/generator"
            )
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines if line.strip()]
        records += [record | {"picture": folder / "ldr" / f"{record['id']}.webp"} for record in found]
    twice = [number for number, count in Counter(record["id"] for record in records).items() if count > 1]
    if twice:
        raise ValueError(f"panorama {twice[0]} is in two of {', '.join(map(str, folders))}: name one")
    return records


def open_pictures(records: list[Record], runs: Path = RUNS_FOLDER) -> np.ndarray:
    """uint8 [N, 512, 1024, 3] sRGB pictures of ``records``, memory-mapped; decoded on first use."""
    path = runs / "panoramas.npy"
    shape = (len(records), HEIGHT, WIDTH, 3)
    if path.is_file():
        pictures = np.load(path, mmap_mode="r")
        if pictures.shape == shape:
            return pictures
    log.info("decoding %d panoramas into %s", len(records), path)
    runs.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npy")
    pictures = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
    with ThreadPoolExecutor() as threads:
        for row, picture in enumerate(threads.map(_decoded, [record["picture"] for record in records])):
            pictures[row] = picture
    pictures.flush()
    partial.replace(path)
    return np.load(path, mmap_mode="r")


def _decoded(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def to_panorama(picture: np.ndarray, device: torch.device | None = None) -> torch.Tensor:
    """uint8 [H, W, 3] picture to a float [3, H, W] tensor in [-1, 1]."""
    return torch.from_numpy(np.array(picture)).to(device).permute(2, 0, 1).float().div_(127.5).sub_(1)
