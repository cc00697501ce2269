# SPDX-License-Identifier: GPL-3.0-or-later
"""How busy a joint sampling keeps the denoiser: its share of the time, and of the fastest matrix product.

    python -m benchmarks.denoiser --out out/denoiser.json

Random weights of the shape of Stable Diffusion XL, a canvas one window high and three wide (1024 × 3072),
without a pull; on a CPU the same thin, with small windows. ``--compile`` measures again with the denoiser
compiled as the engine does it on demand, on a CUDA device; that takes minutes at first. The time is that of
the sampling, without encoding and decoding: wall time with a GPU, processor time on a CPU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import instruments, random_model
from benchmarks.save_report import keep
from sync_engine.backbones.model import Added
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.common.device import choose_device, choose_dtype, device_name, window_batch
from sync_engine.diffusion.joint_loop import WindowBatch, sample
from sync_engine.prompting.conditioning import Conditioning, Entry

GUIDANCE = 7.5
WIDE = 3
"""Windows side by side without their overlap."""


class Timed:
    """A model whose predictions are timed from outside: a compiled network should not have hooks."""

    def __init__(self, backbone: Any) -> None:
        self.backbone, self.samples, self.watch = backbone, 0, instruments.Stopwatch(backbone.device)

    def predict(
        self,
        windows: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
        residuals: Added | None = None,
    ) -> torch.Tensor:
        """Return the model's guided prediction: each window is two samples."""
        self.watch.begin()
        prediction = self.backbone.predict(windows, timestep, conditioning, entries, residuals)
        self.watch.end()
        self.samples += 2 * len(entries)
        return prediction


class Sampling:
    """A joint sampling of a model on a canvas one window high, windows half over each other."""

    def __init__(self, backbone: Any) -> None:
        self.backbone, window = backbone, backbone.window
        self.canvas = PlaneCanvas(window, WIDE * window, window, window // 2)
        self.text = backbone.encode(["a desert at sunset"]), backbone.encode([""])
        self.at_once = min(window_batch(backbone.device, window), len(self.canvas.corners))
        noise = self.canvas.noise(backbone.channels, torch.Generator().manual_seed(7))
        self.latents = self.state = noise.to(backbone.device)

    def run(self, steps: int) -> dict[str, float]:
        """Sample, and return the seconds, those of the denoiser among them, its samples and peak memory.

        ``latents`` holds what was sampled last.
        """
        device, timed = self.backbone.device, Timed(self.backbone)
        conditioning = Conditioning.one_prompt_each(*self.text, [0] * len(self.canvas.corners), GUIDANCE)
        scheduler = self.backbone.scheduler("dpm", steps)
        instruments.synchronize(device)
        start = instruments.seconds(device)
        with instruments.PeakMemory(device) as memory:
            batch = WindowBatch(self.at_once)
            self.latents = sample(timed, self.canvas, scheduler, self.state, conditioning, batch=batch)
            instruments.synchronize(device)
        seconds = instruments.seconds(device) - start
        return {
            "s": seconds,
            "denoiser_s": timed.watch.total(),
            "samples": timed.samples,
            "peak_gib": memory.bytes / 2**30,
        }

    def flops(self) -> int:
        """Return the floating-point operations of one sample, half of a guided window's."""
        one, step = self.canvas.gather(self.state)[:1], torch.tensor(500)
        guided = Conditioning.one_prompt_each(*self.text, [0], GUIDANCE)
        return instruments.flops(lambda: self.backbone.predict(one, step, guided, guided.entries)) // 2


def measure(sampling: Sampling, steps: int, repeat: int, report: dict[str, Any]) -> dict[str, float]:
    """Return the medians of several samplings, after a short one that makes the first calls."""
    began = time.perf_counter()
    sampling.run(2)
    first = time.perf_counter() - began
    runs = [sampling.run(steps) for _ in range(repeat)]
    row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    row["first_calls_s"] = first
    row["denoiser_share"] = row["denoiser_s"] / row["s"]
    row["denoiser_tflops"] = row["samples"] * report["denoiser_gflop"] / 1e3 / row["denoiser_s"]
    row["utilisation"] = row["denoiser_tflops"] / report["matmul_peak_tflops"]
    return row


def about(sampling: Sampling, steps: int, repeat: int) -> dict[str, Any]:
    """Return what a report says before anything is measured."""
    backbone = sampling.backbone
    return {
        "device": device_name(backbone.device),
        "precision": str(backbone.dtype).removeprefix("torch."),
        "picture": [sampling.canvas.height * backbone.scale, sampling.canvas.width * backbone.scale],
        "steps": steps,
        "repeat": repeat,
        "windows": len(sampling.canvas.corners),
        "windows_at_once": sampling.at_once,
        "parameters": sum(parameter.numel() for parameter in backbone.denoiser.parameters()),
        "denoiser_gflop": sampling.flops() / 1e9,
        "matmul_peak_tflops": instruments.matmul_peak(backbone.device, backbone.dtype) / 1e12,
        "runs": {},
    }


def in_words(report: dict[str, Any]) -> str:
    """Return the table for ``docs/results.md``."""
    height, width = report["picture"]
    lines = [
        f"{report['device']}, {report['precision']}, {height} × {width}, {report['steps']} steps, "
        f"{report['windows']} windows, {report['windows_at_once']} at once, {report['parameters'] / 1e9:.2f} "
        f"billion parameters, {report['denoiser_gflop']:.0f} GFLOP a sample, "
        f"matrix products at {report['matmul_peak_tflops']:.3g} TFLOP/s.",
        "",
        "| denoiser | s | peak GiB | its share of the time (aim: 90 %) | TFLOP/s | utilisation (aim: 45 %) |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['s']:.2f} | {row['peak_gib']:.2f} | {row['denoiser_share']:.1%} "
        f"| {row['denoiser_tflops']:.3g} | {row['utilisation']:.0%} |"
        for name, row in report["runs"].items()
    ]
    lines += [
        f"- {name}: PSNR of the latents to the eager ones {row['psnr_to_eager_db']:.0f} dB, "
        f"first calls {row['first_calls_s']:.0f} s."
        for name, row in report["runs"].items()
        if "psnr_to_eager_db" in row
    ]
    lines += [f"- {note}" for note in report.get("notes", [])]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/denoiser.json"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--size", choices=list(random_model.SIZES), help="default: xl on a GPU")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="measure the compiled denoiser too")
    options = parser.parse_args()
    device = choose_device(options.device)
    size = options.size or ("xl-small" if device.type == "cpu" else "xl")
    backbone = random_model.backbone(size, device, choose_dtype(options.precision, device))
    sampling = Sampling(backbone)
    report = about(sampling, options.steps, options.repeat)
    eager = sampling.latents
    for name in ("eager", "compiled") if options.compile else ("eager",):
        if name == "compiled":
            backbone.compile()
            report["notes"] = backbone.notes
        if not backbone.notes:
            row = report["runs"][name] = measure(sampling, options.steps, options.repeat, report)
            if name == "eager":
                eager = sampling.latents
            else:
                row["psnr_to_eager_db"] = instruments.psnr(sampling.latents, eager)
        keep(options.out, report, in_words(report))
    sys.stdout.write(in_words(report))


if __name__ == "__main__":
    main()
