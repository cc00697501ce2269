# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model takes of a GPU's memory, counted before it is loaded, and the plan that follows.

A job never needs all parts of a model at once: first the text encoder, then the denoiser with the windows,
at the end the decoder. Each stage is counted by itself from the sizes of the weights (the headers of the
model's files, or the table's row where the model is not here) and from what a window takes beside them
(``benchmarks/count_memory.py``, by the family). The first form of ``FORMS`` that fits is taken; they stand
from the fastest to the smallest. Torch is not loaded.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sync_engine.catalog import families
from sync_engine.catalog.families import Family
from sync_engine.catalog.safetensors_header import RefusedWeights, check_weights_file, shapes
from sync_engine.interface.memory_plan import MemoryPlan

if TYPE_CHECKING:
    from sync_engine.catalog.models import Model

FORMS = (("full", "none"), ("full", "model"), ("fp8", "model"), ("full", "group"), ("fp8", "group"))
"""Weights and offload, from the fastest to the smallest."""
GIB = 2**30
RESERVE_GB = 0.4
"""For what the allocator cannot use, and for the tiny decoder."""
CONTEXT_GB = 0.5
"""What CUDA itself takes of a card before a model is there."""
STREAMED = 0.15
"""The largest share of a network's weights that is on the GPU at once when layers are lent to it: two
groups of layers, and what is in none, such as a language model's table of words (10 % of Qwen3 4B)."""
FP8_SHARE = 0.52
"""Of the bytes in half precision: norms and embeddings stay precise."""
TILE_SHARE = 1 / 16
"""Of the memory for decoding a window, in tiles of 32 cells or less."""
HALF_BYTES = 2
MOST_WINDOWS = 32
USED_SHARE = 0.6
"""Of the memory beside the weights that the windows of a batch may take."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a model is made of.

    Attributes:
        denoiser, text, decoder: parameters, in millions.
        window: side of a window in pixels.
        family: tells what a window takes beside the weights.
    """

    denoiser: float
    text: float
    decoder: float
    window: int
    family: Family

    def weights_gb(self, millions: float, itemsize: int) -> float:
        """Return the GiB of so many parameters."""
        return millions * 1e6 * itemsize / GIB

    def denoising_gb(self, itemsize: int) -> float:
        """Return the GiB that one window takes beside the weights, denoised or compared."""
        most = max(self.family.window_bytes, self.family.comparing_bytes)
        return most * self.window**2 * itemsize / HALF_BYTES / GIB

    def decoding_gb(self, itemsize: int) -> float:
        """Return the GiB that decoding one window takes beside the weights."""
        return self.family.decoding_bytes * self.window**2 * itemsize / HALF_BYTES / GIB


def sizes_of(model: Model, folder: Path | None = None) -> Sizes | None:
    """Return the sizes of a model; None where neither its folder nor the table tells them.

    Args:
        model: its row.
        folder: its folder in diffusers' format, if it is here.
    """
    from sync_engine.catalog.models import TABLE

    row = TABLE[model.base] if model.base else model
    if folder is not None and not model.base:
        found = _of_folder(folder)
        if found is not None:
            family, parts = found
            window = model.window or family.window or _unet_window(folder)
            return _sizes(family, parts, window)
    family = next((family for family in families.known() if family.name == row.family), None)
    if family is None or not row.parameters:
        return None
    denoiser, text, decoder = row.parameters
    return Sizes(
        denoiser=denoiser,
        text=text,
        decoder=decoder,
        window=model.window or row.window or family.window,
        family=family,
    )


def _sizes(family: Family, parts: Mapping[str, float], window: int) -> Sizes:
    return Sizes(
        denoiser=parts.get(family.denoiser, 0.0),
        text=sum(size for part, size in parts.items() if part.startswith("text_encoder")),
        decoder=parts.get("vae", 0.0),
        window=window,
        family=family,
    )


def _of_folder(folder: Path) -> tuple[Family, dict[str, float]] | None:
    pipeline = families.read_object(folder / "model_index.json").get("_class_name")
    family = families.of_pipeline(pipeline) if isinstance(pipeline, str) else None
    if family is None:
        return None
    parts = [part for part in family.parts if families.has_weights(part)]
    sizes = {part: _parameters(folder / part) for part in parts}
    return (family, sizes) if sizes[family.denoiser] else None


def _parameters(part: Path) -> float:
    """Return the parameters of a part in millions; of several variants of its weights, one counts."""
    from safetensors import SafetensorError

    files = sorted(file for file in part.glob("*.safetensors") if file.is_file())
    plain = [file for file in files if not re.search(r"\.(fp16|bf16)[.-]", file.name)] or files
    plain = [file for file in plain if "non_ema" not in file.name] or plain
    total = 0
    for file in plain:
        try:
            check_weights_file(file)
            found = shapes(file)
        except (OSError, SafetensorError, RefusedWeights):
            continue  # the loader tells of it
        for shape in found.values():
            count = 1
            for side in shape:
                count *= side
            total += count
    return total / 1e6


def _unet_window(folder: Path) -> int:
    """Return the side of the windows of a U-Net in pixels, by its configuration; 512 where it tells none."""
    size = families.read_object(folder / "unet" / "config.json").get("sample_size", 64)
    size = size[0] if isinstance(size, list) and size else size
    blocks = families.read_object(folder / "vae" / "config.json").get("block_out_channels")
    scale = 2 ** (len(blocks) - 1) if isinstance(blocks, list) and blocks else 8
    return size * scale if isinstance(size, int) else 512


def peak_gb(sizes: Sizes, plan: MemoryPlan, itemsize: int = HALF_BYTES) -> float:
    """Return the GiB that a plan takes at the most, with one window at once.

    Args:
        sizes: of the model.
        plan: how its weights are kept.
        itemsize: bytes of a number of the precision in which it computes.
    """
    denoiser = sizes.weights_gb(sizes.denoiser, itemsize)
    if plan.weights == "fp8":
        denoiser = sizes.weights_gb(sizes.denoiser, HALF_BYTES) * FP8_SHARE
    text = sizes.weights_gb(sizes.text, itemsize)
    if plan.offload == "group":
        denoiser *= STREAMED
    if plan.offload == "group" or plan.stream_text:
        text *= STREAMED
    denoising = sizes.denoising_gb(itemsize)
    decoding = sizes.decoding_gb(itemsize) * (TILE_SHARE if plan.tiles else 1)
    if plan.offload == "none":
        most = text + denoiser + max(denoising, decoding)
    else:
        most = max(text, denoiser + denoising, decoding)
    return sizes.weights_gb(sizes.decoder, itemsize) + most + RESERVE_GB


def plan_for(
    sizes: Sizes | None,
    free_gb: float,
    *,
    itemsize: int = HALF_BYTES,
    weights: str = "auto",
    offload: str = "auto",
    below: MemoryPlan | None = None,
) -> MemoryPlan | None:
    """Return the first plan that fits into the free memory, or the smallest.

    Args:
        sizes: of the model; None takes what was asked for, and else everything as it is.
        free_gb: free memory of the GPU, in GiB.
        itemsize: bytes of a number of the precision in which the model computes.
        weights, offload: as the spec asks; ``auto`` leaves them open.
        below: a plan that was too large; only smaller ones count, and None is returned where there is none.
    """
    forms = [
        (kept, turns) for kept, turns in FORMS if weights in ("auto", kept) and offload in ("auto", turns)
    ]
    forms = forms or [("fp8" if weights == "fp8" else "full", "none" if offload == "auto" else offload)]
    if below is not None:
        at = forms.index((below.weights, below.offload)) if (below.weights, below.offload) in forms else -1
        forms = forms[at + 1 :]
    plans = [_with_details(sizes, free_gb, itemsize, *form) for form in forms]
    if not plans:
        return None
    return next((plan for plan in plans if plan.fits), plans[-1])


def _with_details(
    sizes: Sizes | None, free_gb: float, itemsize: int, weights: str, offload: str
) -> MemoryPlan:
    """Return a form with what else makes it smaller, where it does not fit without."""
    if sizes is None:
        return MemoryPlan(weights, offload, free_gb=round(free_gb, 2))
    plan = MemoryPlan(weights, offload)
    for stream, tiles in ((False, False), (True, False), (False, True), (True, True)):
        if stream and offload != "model":
            continue
        plan = MemoryPlan(weights, offload, stream, 1, tiles, 0.0, round(free_gb, 2))
        peak = peak_gb(sizes, plan, itemsize)
        plan = _counted(sizes, plan, peak, itemsize)
        if plan.fits:
            break
    return plan


def _counted(sizes: Sizes, plan: MemoryPlan, peak: float, itemsize: int) -> MemoryPlan:
    one = sizes.denoising_gb(itemsize)
    room = plan.free_gb - (peak - one if plan.offload == "none" else _denoiser_alone(sizes, plan, itemsize))
    windows = max(1, min(MOST_WINDOWS, int(room * USED_SHARE / max(one, 1e-3))))
    return dataclasses.replace(plan, peak_gb=round(peak, 2), windows=windows, window_gb=round(one, 3))


def _denoiser_alone(sizes: Sizes, plan: MemoryPlan, itemsize: int) -> float:
    """Return the GiB of weights that are there while the denoiser works, when parts take turns."""
    denoiser = sizes.weights_gb(sizes.denoiser, HALF_BYTES if plan.weights == "fp8" else itemsize)
    denoiser *= (FP8_SHARE if plan.weights == "fp8" else 1) * (STREAMED if plan.offload == "group" else 1)
    return sizes.weights_gb(sizes.decoder, itemsize) + denoiser + RESERVE_GB


def card_gb(model: Model, weights: str, offload: str) -> float:
    """Return the GiB that a card must have for a row of the table in half precision; 0 where nobody knows."""
    sizes = sizes_of(model)
    if sizes is None:
        return 0.0
    plan = MemoryPlan(weights, offload, stream_text=offload == "model", tiles=True)
    return round(peak_gb(sizes, plan) + CONTEXT_GB, 1)
