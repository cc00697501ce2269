# SPDX-License-Identifier: GPL-3.0-or-later
"""Our methods beside diffusers' panorama pipeline and the published SyncDiffusion, on the same weights.

    python -m benchmarks.peers --out out/peers.json

Random weights of the shape of Stable Diffusion 2: at full size, 512 × 3072 and 50 steps on a GPU, thin,
512 × 1024 and 10 steps on a CPU (the shares of the steps that pull stay the same: 10 of 50 and all).
All methods run in turn, ``--repeat`` times. After every case OUT, and OUT with the ending .md, hold what
is measured so far: a run may be stopped. A case that fails is named there, the others go on, and the exit
status is 1.
Seconds are wall time with a GPU and processor time on a CPU, where other programs on the same cores would
otherwise decide the ratios. The published method goes window by window with a stride of 16 cells, as its
authors run it. Both pulls look through LPIPS-VGG: where its weights are not here, through random ones
of its shape, which cost the same. ``sync`` decodes with a random tiny decoder, as it does
with every model of the table whose tiny decoder is there; "full decoder" is what it costs without.
A thin denoiser costs less than LPIPS and a decoder, a full one twenty times as much: only ratios of
``--size full`` tell what a pull adds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import instruments, random_model
from benchmarks.peer_cases import CELLS, GUIDANCE, ONE_BY_ONE, Bench, Run
from benchmarks.save_report import keep
from sync_engine.backbones import tiny_decoder
from sync_engine.backbones.loading import load
from sync_engine.canvas.tiled_decode import decode_plane
from sync_engine.catalog.models import find
from sync_engine.common.device import choose_device, choose_dtype, device_name
from sync_engine.common.errors import EngineError, first_line
from sync_engine.diffusion.joint_loop import no_sync
from sync_engine.prompting.conditioning import Conditioning
from sync_engine.sync.feature_nets import WEIGHTS_VARIABLE, lpips_weights

RATIOS = {
    "sync over multidiffusion (aim: at most 1.10)": ("sync", "multidiffusion"),
    "sync-paper over sync, a fifth of the steps (aim: 2.3)": (
        "sync-paper, a fifth of the steps",
        "sync, a fifth of the steps",
    ),
    "sync-paper over sync, all steps (aim: 7)": ("sync-paper, all steps", "sync, all steps"),
    "sync-paper, a fifth, over our defaults (aim: 12)": (
        "sync-paper, a fifth of the steps",
        "sync, defaults",
    ),
    "sync-paper, all steps, over our defaults (aim: 40)": ("sync-paper, all steps", "sync, defaults"),
    "diffusers over multidiffusion, stride 8 (aim: 1.2 on a CPU, 2 on a GPU)": (
        "diffusers, stride 8",
        "multidiffusion, stride 8",
    ),
}
PEER = "diffusers, stride 8"
SAME_LATENTS = ("multidiffusion, stride 8", PEER)
AT_ONCE = 4
"""Windows at once where memory is measured by width; a GPU's 32 would only be filled by a wide canvas."""
FAULTS = (EngineError, RuntimeError, ValueError, TypeError, AttributeError, ImportError, OSError)


def measure(bench: Bench, run: Run) -> tuple[dict[str, float], torch.Tensor]:
    """Return seconds, peak memory, the denoiser's share and samples of one run, and its latents."""
    device = bench.backbone.device
    clocks = [instruments.DenoiserClock(unet, device) for unet in (bench.backbone.unet, bench.peer_unet)]
    instruments.synchronize(device)
    start, began = instruments.seconds(device), time.perf_counter()
    try:
        with instruments.PeakMemory(device) as memory:
            latents = run()
            instruments.synchronize(device)
        seconds, wall = instruments.seconds(device) - start, time.perf_counter() - began
    finally:
        inside = sum(clock.stop() for clock in clocks)
    row = {
        "s": seconds,
        "wall_s": wall,
        "peak_gib": memory.bytes / 2**30,
        "denoiser_s": inside,
        "samples": sum(clock.samples for clock in clocks),
    }
    return row, latents


def about(bench: Bench) -> dict[str, Any]:
    """Return what a report says before anything has run: the device, and what its networks cost."""
    backbone = bench.backbone
    one = torch.zeros(1, 4, CELLS, CELLS, device=backbone.device)
    guided, unguided = (
        Conditioning.one_prompt_each(*bench.text, [0], guidance) for guidance in (GUIDANCE, 1.0)
    )
    step = torch.tensor(500)

    def flops(words: Conditioning) -> float:
        return instruments.flops(lambda: backbone.predict(one, step, words, words.entries))

    return {
        "device": device_name(backbone.device),
        "precision": str(backbone.dtype).removeprefix("torch."),
        "width": bench.width * backbone.scale,
        "steps": bench.steps,
        "windows_at_once": bench.batch,
        # Ours computes what both samples of a guided window share once.
        "denoiser_gflop": flops(guided) / 2e9,
        "peer_gflop": flops(unguided) / 1e9,
        "decoder_gflop": instruments.flops(lambda: backbone.decode(one)) / 1e9,
        "matmul_peak_tflops": instruments.matmul_peak(backbone.device, backbone.dtype) / 1e12,
        "failed": {},
        "memory_by_width": {},
        "cases": {},
        "ratios": {},
    }


def compare(
    bench: Bench, cases: dict[str, Run], repeat: int, report: dict[str, Any], changed: Callable[[], None]
) -> None:
    """Run the cases in turn, ``repeat`` times; after each the report has its medians, shares and ratios."""
    rows: dict[str, list[dict[str, float]]] = {}
    latents: dict[str, torch.Tensor] = {}
    first_calls = bench.first_calls()
    for turn in range(repeat):
        for name in [name for name in cases if name not in report["failed"]]:
            sys.stderr.write(f"{turn + 1}/{repeat} {name}\n")
            try:
                if turn == 0:
                    first_calls[name]()
                row, latents[name] = measure(bench, cases[name])
            except FAULTS as error:
                report["failed"][name] = first_line(error)
                changed()
                continue
            rows.setdefault(name, []).append(row)
            gflop = report["peer_gflop" if name == PEER else "denoiser_gflop"]
            report["cases"][name] = median(rows[name], gflop, report["matmul_peak_tflops"])
            report["ratios"] = ratios(report["cases"])
            if latents.keys() >= set(SAME_LATENTS):
                report["psnr_to_diffusers_db"] = instruments.psnr(*(latents[name] for name in SAME_LATENTS))
            changed()


def median(runs: list[dict[str, float]], gflop: float, peak_tflops: float) -> dict[str, float]:
    """Return the medians of a case's runs, how many there are, and what follows from them.

    ``gflop`` is what a sample of its denoiser costs.
    """
    row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    row["runs"] = len(runs)
    row["denoiser_share"] = row["denoiser_s"] / row["s"]
    speed = row["samples"] * gflop / 1e3 / row["denoiser_s"]
    row["utilisation"] = speed / peak_tflops
    return row


def ratios(cases: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the ratios of which both cases have run."""
    return {
        name: cases[a]["s"] / cases[b]["s"] for name, (a, b) in RATIOS.items() if a in cases and b in cases
    }


def memory_at(backbone: Any, width: int) -> float:
    """Return the peak GiB of one denoising step and the decoding at a width, less the picture itself."""
    bench = Bench(backbone, width, 1)
    with instruments.PeakMemory(backbone.device) as memory:
        latents = bench.ours(no_sync, 32, 1, "ddim", min(AT_ONCE, bench.batch))
        decode_plane(backbone.decode, latents, backbone.scale, wrap=False)
    on_cpu = backbone.device.type == "cpu"
    picture = 4 * 4 * CELLS * backbone.scale * width if on_cpu else 0  # colours and weights, float32
    return (memory.bytes - picture) / 2**30


def memory_alone(options: argparse.Namespace, width: int) -> float:
    """Return the same from a process of its own: what a processor's memory held before is not given back."""
    command = [sys.executable, "-m", "benchmarks.peers", "--memory-of", str(width)]
    command += ["--device", options.device, "--precision", options.precision]
    command += ["--model", str(options.model)] if options.model else ["--size", options.size]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(run.stdout.splitlines()[-1])


def in_words(report: dict[str, Any]) -> str:
    """Return the tables for ``docs/results.md``."""
    lines = [
        f"{report['device']}, {report['precision']}, width {report['width']}, {report['steps']} steps, "
        f"LPIPS: {report['lpips']}, matrix products at {report['matmul_peak_tflops']:.3g} TFLOP/s.",
        "",
        "| case | runs | s | peak GiB | denoiser share | utilisation |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['runs']} | {row['s']:.2f} | {row['peak_gib']:.2f} | {row['denoiser_share']:.0%} "
        f"| {row['utilisation']:.0%} |"
        for name, row in report["cases"].items()
    ]
    lines += [f"| {name} | failed: {error} |" for name, error in report["failed"].items()]
    lines += ["", "| ratio | measured |", "|---|---|"]
    lines += [f"| {name} | {value:.2f} |" for name, value in report["ratios"].items()]
    if "psnr_to_diffusers_db" in report:
        decibels = report["psnr_to_diffusers_db"]
        lines.append(f"| PSNR of the latents to diffusers' (aim: 40 dB) | {decibels:.0f} dB |")
    if report["memory_by_width"]:
        lines += ["", "| width | peak GiB without the picture |", "|---|---|"]
        lines += [f"| {width} | {value:.2f} |" for width, value in report["memory_by_width"].items()]
    return "\n".join(lines) + "\n"


def find_lpips(folder: Path) -> str:
    """Say which LPIPS the pulls look through; write a random one into a folder where there is none."""
    if lpips_weights("vgg") is not None:
        return "real weights"
    os.environ[WEIGHTS_VARIABLE] = str(random_model.build_lpips(folder))
    return "random weights of the same shape"


def open_model(options: argparse.Namespace, device: torch.device, made: Path) -> Any:
    """Return the model of the options, a random one with a tiny decoder where they name none."""
    dtype = choose_dtype(options.precision, device)
    if options.model:
        return load(find(str(options.model)), device, dtype)
    backbone = random_model.backbone(options.size, device, dtype)
    tiny = random_model.build_tiny_decoder(made / "tiny", options.size, dtype)
    backbone.tiny = tiny_decoder.load(tiny, backbone)
    return backbone


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/peers.json"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--size", choices=["full", "small"], help="default: full on a GPU")
    parser.add_argument("--width", type=int, help="pixels; default 3072 on a GPU, 1024 on a CPU")
    parser.add_argument("--steps", type=int, help="default 50 on a GPU, 10 on a CPU")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--widths", type=int, nargs="*", default=[2048, 4096, 16384], help="for the memory")
    parser.add_argument("--ours", action="store_true", help="without the cases that go window by window")
    parser.add_argument("--model", type=Path, help="a folder instead of random weights")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = choose_device(options.device)
    on_cpu = device.type == "cpu"
    options.size = options.size or ("small" if on_cpu else "full")
    with tempfile.TemporaryDirectory() as made:
        backbone = open_model(options, device, Path(made))
        if options.memory_of:
            sys.stdout.write(f"{memory_at(backbone, options.memory_of)}\n")
            return
        width = options.width or (1024 if on_cpu else 3072)
        bench = Bench(backbone, width, options.steps or (10 if on_cpu else 50))
        report = about(bench)
        report["lpips"] = find_lpips(Path(made) / "lpips")

        def changed() -> None:
            keep(options.out, report, in_words(report))

        for wide in options.widths:
            used = memory_alone(options, wide) if on_cpu else memory_at(backbone, wide)
            report["memory_by_width"][str(wide)] = used
            changed()
        cases = bench.cases()
        if options.ours:
            cases = {name: run for name, run in cases.items() if name not in ONE_BY_ONE}
        compare(bench, cases, options.repeat, report, changed)
    sys.stdout.write(in_words(report))
    if report["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
