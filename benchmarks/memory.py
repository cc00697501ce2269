# SPDX-License-Identifier: GPL-3.0-or-later
"""What each way to keep a model's weights costs: time, peak memory, and how far its prediction moves.

    python -m benchmarks.memory --record                      # a CPU: thin networks, their error
    python -m benchmarks.memory --full --out out/memory.json  # a GPU: the published shapes, < 10 minutes

Networks of random weights, one evaluation of one window (two samples where the model is guided). The PSNR is
that of the prediction to the same network with whole weights, over the range of its values. ``--full`` also
repeats the smallest form that should do with the allocator capped at the card's size of ``CARDS``, and
compiles the repeated blocks. Random weights are normal with a standard deviation of 0.02, norms are 1.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import sync_engine.common.torchvision_schemas  # noqa: F401  # before transformers imports torchvision
from benchmarks import count_memory, instruments, results
from benchmarks.save_report import keep
from sync_engine.backbones.placement import keep_in_8_bits, lend_layers
from sync_engine.common.device import choose_device, device_name

FORMS = (("full", "none"), ("fp8", "none"), ("full", "group"), ("fp8", "group"))
CARDS = {"sd-1.5": 3.0, "sdxl": 6.0, "z-image-turbo": 8.0, "flux2-klein": 8.0}
"""Sizes of cards in GB on which each must run."""
REPEATS = 5
LENT_AT_MOST = 8e9
"""Parameters of the largest network that is lent layer by layer here: its pinned memory is the machine's."""
Case = tuple[Any, Callable[[], Any]]


def small() -> dict[str, Callable[[], Case]]:
    """Return thin networks of the same kinds, and how each is called."""
    from benchmarks.random_model import SIZES, _unet

    def unet(size: str) -> Case:
        network = _unet(SIZES[size])
        return network, count_memory._unet_call(network, 16, added="depths" in SIZES[size])

    return {"Stable Diffusion 2": lambda: unet("small"), "Z-Image": _small_z, "FLUX.2 klein": _small_klein}


def _small_z() -> Case:
    from diffusers.models.transformers.transformer_z_image import ZImageTransformer2DModel

    network = ZImageTransformer2DModel(
        dim=128,
        n_layers=4,
        n_refiner_layers=1,
        n_heads=4,
        n_kv_heads=4,
        cap_feat_dim=64,
        axes_dims=[8, 12, 12],
    )
    half = count_memory._half
    return network, lambda: network([half(16, 1, 16, 16)], torch.ones(1) / 2, [half(20, 64)])


def _small_klein() -> Case:
    from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel

    network = Flux2Transformer2DModel(
        in_channels=32,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=32,
        num_attention_heads=4,
        joint_attention_dim=96,
        timestep_guidance_channels=64,
        axes_dims_rope=(8, 8, 8, 8),
        guidance_embeds=False,
    )
    half = count_memory._half
    return network, lambda: network(
        hidden_states=half(1, 64, 32),
        timestep=torch.ones(1) / 2,
        guidance=None,
        encoder_hidden_states=half(1, 20, 96),
        txt_ids=torch.zeros(1, 20, 4),
        img_ids=torch.cartesian_prod(*(torch.arange(side) for side in (1, 8, 8, 1)))[None].float(),
    )


def made(build: Callable[[], Case], device: torch.device, inputs: torch.device | None = None) -> Case:
    """Return a network with random weights on a device, and its call, whose inputs may be elsewhere."""
    torch.manual_seed(0)
    with device:
        network, call = build()
    for name, value in network.named_parameters():
        if "norm" in name and value.ndim == 1 and name.endswith("weight"):
            torch.nn.init.ones_(value)
        else:
            torch.nn.init.normal_(value, std=0.02)
    network.eval().requires_grad_(False)

    def on_device() -> torch.Tensor:
        torch.manual_seed(1)
        with inputs or device, torch.no_grad():
            found = call()
        found = found[0] if isinstance(found, tuple) else found.sample
        return torch.stack(found) if isinstance(found, list) else found

    return network, on_device


def psnr(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the PSNR in dB over the range of the wanted values; infinite where they are equal."""
    error = (found.float() - wanted.float()).square().mean()
    spread = wanted.float().max() - wanted.float().min()
    return float(20 * spread.log10() - 10 * error.log10()) if error > 0 else float("inf")


def measured(
    build: Callable[[], Case], form: tuple[str, str], device: torch.device, wanted: torch.Tensor | None
) -> tuple[dict[str, Any], torch.Tensor]:
    """Return what a form takes, and its prediction on the CPU."""
    network, call = made(build, device)
    if form[0] == "fp8":
        keep_in_8_bits(network, count_memory.HALF)
    if form[1] == "group":
        lend_layers(network, device)
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    call()
    with instruments.PeakMemory(device) as peak:
        found = call()
        instruments.synchronize(device)
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        instruments.synchronize(device)
        seconds.append(time.perf_counter() - start)
    row = {
        "seconds": round(statistics.median(seconds), 4),
        "peak_gib": round(peak.bytes / 2**30, 2) if device.type == "cuda" else None,
        "psnr_db": None if wanted is None else round(psnr(found.cpu(), wanted), 1),
    }
    return row, found.cpu()


def compiled(build: Callable[[], Case], device: torch.device) -> dict[str, Any]:
    """Return how long the repeated blocks take to compile, and an evaluation then."""
    network, call = made(build, device)
    network.compile_repeated_blocks(fullgraph=True)
    start = time.perf_counter()
    call()
    instruments.synchronize(device)
    first = time.perf_counter() - start
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        instruments.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return {"first_s": round(first, 1), "seconds": round(statistics.median(seconds), 4)}


def on_a_small_card(build: Callable[[], Case], card_gb: float, device: torch.device) -> str:
    """Return whether an evaluation in 8 bits fits when the allocator has no more than such a card."""
    from sync_engine.catalog.memory import CONTEXT_GB

    total = torch.cuda.get_device_properties(device).total_memory
    network, call = made(build, torch.device("cpu"), inputs=device)
    keep_in_8_bits(network, count_memory.HALF)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    torch.cuda.set_per_process_memory_fraction((card_gb - CONTEXT_GB) * 2**30 / total, device)
    try:
        network.to(device)
        call()
        instruments.synchronize(device)
        return f"{torch.cuda.max_memory_reserved(device) / 2**30:.2f} GiB reserved"
    except torch.cuda.OutOfMemoryError:
        return "does not fit"
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    options.add_argument("--full", action="store_true", help="the published shapes, on a GPU")
    options.add_argument("--models", nargs="*", help="of the table, with --full; by default those of CARDS")
    options.add_argument("--record", action="store_true", help="write benchmarks/results/memory.json")
    options.add_argument("--out", type=Path)
    chosen = options.parse_args(arguments)
    device = choose_device("auto") if chosen.full else torch.device("cpu")
    torch.set_default_dtype(count_memory.HALF if chosen.full else torch.float32)
    if not chosen.full:
        count_memory.HALF = torch.float32
    builders = {n: count_memory.DENOISERS[n] for n in chosen.models or CARDS} if chosen.full else small()
    report: dict[str, Any] = {"device": device_name(device), "torch": torch.__version__, "models": {}}
    for name, build in builders.items():
        rows: dict[str, Any] = {}
        report["models"][name] = rows
        wanted = None
        for form in FORMS:
            try:
                row, found = measured(build, form, device, wanted)
            except torch.cuda.OutOfMemoryError:
                row, found = {"failed": "out of memory"}, None
            wanted = found if wanted is None else wanted
            rows[" + ".join(form)] = row
            if chosen.out:
                keep(chosen.out, report, words(report))
        if chosen.full:
            rows["compiled"] = compiled(build, device)
            rows["capped"] = on_a_small_card(build, CARDS[name], device) if name in CARDS else ""
            gc.collect()
            if chosen.out:
                keep(chosen.out, report, words(report))
    sys.stdout.write(words(report))
    if chosen.record:
        _record(report)
    return 0


def words(report: dict[str, Any]) -> str:
    """Return the report as a table."""
    lines = [
        f"{report['device']}, torch {report['torch']}\n\n",
        "| model | form | s | GiB or first s | PSNR |\n",
    ]
    lines.append("|---|---|---|---|---|\n")
    for name, rows in report["models"].items():
        for form, row in rows.items():
            told = row
            if isinstance(row, dict):
                figures = (row.get("seconds"), row.get("peak_gib", row.get("first_s")), row.get("psnr_db"))
                told = " | ".join("" if figure is None else str(figure) for figure in figures)
            lines.append(f"| {name} | {form} | {told} |\n")
    return "".join(lines)


def _record(report: dict[str, Any]) -> None:
    from sync_engine.catalog import models
    from sync_engine.catalog.memory import card_gb

    cards = [
        [row.title, f"{card_gb(row, 'full', 'model'):.1f}", f"{card_gb(row, 'fp8', 'model'):.1f}"]
        for name, row in models.TABLE.items()
        if name in CARDS
    ]
    errors = ", ".join(
        f"{name} {rows['fp8 + none']['psnr_db']:.0f}" for name, rows in report["models"].items()
    )
    results.record(
        "memory",
        order=75,
        title="Memory",
        claim="What a card must have, counted from the published shapes, GB; not measured on a GPU yet. "
        f"Weights in 8 bits change a prediction of thin random networks by (PSNR, dB): {errors}; "
        "layers that are lent change nothing.",
        command="python -m benchmarks.memory --record",
        columns=["", "half precision, in turns", "8 bits, in turns"],
        rows=cards,
    )


if __name__ == "__main__":
    sys.exit(main())
