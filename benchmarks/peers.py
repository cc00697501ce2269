"""Our methods beside diffusers' panorama pipeline and the published SyncDiffusion, on the same weights.

    python -m benchmarks.peers --out out/peers.json

Random weights of the shape of Stable Diffusion 2: at full size, 512 × 3072 and 50 steps on a GPU, thin,
512 × 1024 and 10 steps on a CPU (the shares of the steps that pull stay the same: 10 of 50 and all).
All methods run in turn, ``--repeat`` times. Seconds are wall time with a GPU and processor time on a CPU,
where other programs on the same cores would otherwise decide the ratios.
The published method goes window by window with a stride of 16 cells, as its authors run it. Where no
weights of LPIPS are here, both pulls look through the draft model's net, which is cheaper than LPIPS and
so makes the published method look faster than it is. ``sync`` decodes with a random tiny decoder, as it does
with every model of the table whose tiny decoder is there; "full decoder" is what it costs without.
A thin denoiser costs less than LPIPS and a decoder, a full one twenty times as much: only ratios of
``--size full`` tell what a pull adds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import meters, random_model
from sync_engine.backbones import tiny_decoder
from sync_engine.backbones.loading import load
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.decoding import decode_plane
from sync_engine.device import choose_device, choose_dtype, device_name, window_batch
from sync_engine.models import find
from sync_engine.sampling import Conditioning, WindowBatch, no_pull, sample
from sync_engine.sync import fast, paper
from sync_engine.sync.distance import choose

CELLS, GUIDANCE = 64, 7.5
Run = Callable[[], torch.Tensor]


class Bench:
    """A loaded random model, and one function for each thing that is compared."""

    def __init__(self, backbone: Any, width: int, steps: int) -> None:
        self.backbone, self.width, self.steps = backbone, width // backbone.scale, steps
        self._embeds: dict[str, Any] = {}
        self.batch = window_batch(backbone.device, backbone.window)
        self.text = backbone.encode(["a desert at sunset"]), backbone.encode([""])
        noise = torch.Generator().manual_seed(7)
        self.state = torch.randn(1, 4, CELLS, self.width, generator=noise).to(backbone.device)

    def ours(
        self, pull: Any, stride: int, steps: int, solver: str, batch: int, uniform: bool = False
    ) -> torch.Tensor:
        canvas = PlaneCanvas(CELLS, self.width, CELLS, stride, uniform=uniform)
        conditioning = Conditioning(*self.text, [0] * len(canvas.corners), GUIDANCE)
        scheduler = self.backbone.scheduler(solver, steps)
        return sample(self.backbone, canvas, scheduler, self.state, conditioning, pull, WindowBatch(batch))

    def diffusers(self) -> torch.Tensor:
        from diffusers.pipelines.deprecated.stable_diffusion_panorama import (
            pipeline_stable_diffusion_panorama as peer,
        )

        model = self.backbone
        pipeline = peer.StableDiffusionPanoramaPipeline(
            model.vae,
            model.text_encoder,
            model.tokenizer,
            model.unet,
            model.scheduler("ddim", self.steps),
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        positive, negative = self.text
        return pipeline(
            prompt_embeds=positive,
            negative_prompt_embeds=negative,
            height=CELLS * model.scale,
            width=self.width * model.scale,
            num_inference_steps=self.steps,
            guidance_scale=GUIDANCE,
            latents=self.state.to(model.dtype),
            output_type="latent",
        ).images  # type: ignore[union-attr]

    def sync(self, share: float, stride: int, steps: int, solver: str) -> torch.Tensor:
        pull = fast.FastSync(self._embed("sync"), fast.STRENGTH, round(steps * share), fast.DECAY, self.batch)
        return self.ours(pull, stride, steps, solver, self.batch)

    def published(self, share: float) -> torch.Tensor:
        pull = paper.PaperSync(
            self._embed("sync-paper"), paper.STRENGTH, round(self.steps * share), paper.DECAY
        )
        return self.ours(pull, paper.STRIDE, self.steps, "ddim", 1, uniform=True)

    def full_decoder(self) -> torch.Tensor:
        """Run ``sync`` as it is where a model's tiny decoder is not on the computer."""
        tiny, self.backbone.tiny = self.backbone.tiny, None
        try:
            return self.sync(fast.STEPS_SHARE, paper.STRIDE, self.steps, "ddim")
        finally:
            self.backbone.tiny = tiny

    def _embed(self, method: str) -> Any:
        if method not in self._embeds:
            self._embeds[method] = choose(self.backbone, method)
        return self._embeds[method]

    def cases(self) -> dict[str, Run]:
        """Return what is compared, by name."""
        plain, stride, few = no_pull, paper.STRIDE, self.steps // 2
        return {
            "diffusers, stride 8": self.diffusers,
            "multidiffusion, stride 8": lambda: self.ours(plain, 8, self.steps, "ddim", self.batch, True),
            "multidiffusion": lambda: self.ours(plain, stride, self.steps, "ddim", self.batch),
            "sync": lambda: self.sync(fast.STEPS_SHARE, stride, self.steps, "ddim"),
            "sync, full decoder": self.full_decoder,
            "sync, a fifth of the steps": lambda: self.sync(0.2, stride, self.steps, "ddim"),
            "sync, all steps": lambda: self.sync(1.0, stride, self.steps, "ddim"),
            "sync-paper, a fifth of the steps": lambda: self.published(0.2),
            "sync-paper, all steps": lambda: self.published(1.0),
            "multidiffusion, defaults": lambda: self.ours(plain, 32, few, "dpm", self.batch),
            "sync, defaults": lambda: self.sync(fast.STEPS_SHARE, 32, few, "dpm"),
        }


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


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the peak signal-to-noise ratio of two latents in dB; the peak is the range of the second."""
    error = (a.float() - b.float()).square().mean()
    return float(10 * torch.log10((b.float().max() - b.float().min()) ** 2 / error))


def measure(bench: Bench, run: Run) -> tuple[dict[str, float], torch.Tensor]:
    """Return seconds, peak memory, the denoiser's share and samples of one run, and its latents."""
    device = bench.backbone.device
    clock = meters.DenoiserClock(bench.backbone.unet, device)
    meters.synchronize(device)
    start, began = meters.seconds(device), time.perf_counter()
    with meters.PeakMemory(device) as memory:
        latents = run()
        meters.synchronize(device)
    seconds, wall = meters.seconds(device) - start, time.perf_counter() - began
    inside = clock.stop()
    row = {
        "s": seconds,
        "wall_s": wall,
        "peak_gib": memory.bytes / 2**30,
        "denoiser_s": inside,
        "samples": clock.samples,
    }
    return row, latents


def compare(bench: Bench, repeat: int) -> dict[str, Any]:
    """Run all cases in turn, ``repeat`` times, and return medians, ratios and shares."""
    backbone = bench.backbone
    one = torch.zeros(1, 4, CELLS, CELLS, device=backbone.device, dtype=backbone.dtype)
    per_sample = meters.flops(lambda: backbone.unet(one, 500, encoder_hidden_states=bench.text[0]))
    per_decode = meters.flops(lambda: backbone.decode(one))
    peak = meters.matmul_peak(backbone.device, backbone.dtype)
    cases, rows, latents = bench.cases(), {}, {}
    quick = Bench(backbone, CELLS * backbone.scale, 2)
    for run in quick.cases().values():
        run()  # so that no case pays for first calls
    for turn in range(repeat):
        for name, run in cases.items():
            sys.stderr.write(f"{turn + 1}/{repeat} {name}\n")
            row, latents[name] = measure(bench, run)
            rows.setdefault(name, []).append(row)
    table = {}
    for name, runs in rows.items():
        median = {key: statistics.median(row[key] for row in runs) for key in runs[0]}
        median["denoiser_share"] = median["denoiser_s"] / median["s"]
        median["utilisation"] = median["samples"] * per_sample / median["denoiser_s"] / peak
        table[name] = median
    return {
        "device": device_name(backbone.device),
        "precision": str(backbone.dtype).removeprefix("torch."),
        "width": bench.width * backbone.scale,
        "steps": bench.steps,
        "repeat": repeat,
        "windows_at_once": bench.batch,
        "denoiser_gflop": per_sample / 1e9,
        "decoder_gflop": per_decode / 1e9,
        "matmul_peak_tflops": peak / 1e12,
        "cases": table,
        "ratios": {name: table[a]["s"] / table[b]["s"] for name, (a, b) in RATIOS.items()},
        "psnr_to_diffusers_db": psnr(latents["multidiffusion, stride 8"], latents["diffusers, stride 8"]),
    }


def memory_at(backbone: Any, width: int) -> float:
    """Return the peak GiB of one denoising step and the decoding at a width, less the picture itself."""
    bench = Bench(backbone, width, 1)
    with meters.PeakMemory(backbone.device) as memory:
        latents = bench.ours(no_pull, 32, 1, "ddim", bench.batch)
        decode_plane(backbone.decode, latents, backbone.scale, wrap=False)
    on_cpu = backbone.device.type == "cpu"
    picture = 4 * 4 * CELLS * backbone.scale * width if on_cpu else 0  # colours and weights, float32
    return (memory.bytes - picture) / 2**30


def by_width(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Return the peak memory by width, each in a process of its own."""
    found = {}
    for width in options.widths:
        command = [
            sys.executable,
            "-m",
            "benchmarks.peers",
            "--model",
            str(folder),
            "--memory-of",
            str(width),
        ]
        command += ["--device", options.device, "--precision", options.precision]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        found[str(width)] = float(run.stdout.splitlines()[-1])
    return found


def in_words(report: dict[str, Any]) -> str:
    """Return the tables for ``docs/benchmarks.md``."""
    lines = ["| case | s | peak GiB | denoiser share | utilisation |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {row['s']:.2f} | {row['peak_gib']:.2f} | {row['denoiser_share']:.0%} "
        f"| {row['utilisation']:.0%} |"
        for name, row in report["cases"].items()
    ]
    lines += ["", "| ratio | measured |", "|---|---|"]
    lines += [f"| {name} | {value:.2f} |" for name, value in report["ratios"].items()]
    lines.append(
        f"| PSNR of the latents to diffusers' (aim: 40 dB) | {report['psnr_to_diffusers_db']:.0f} dB |"
    )
    if report.get("memory_by_width"):
        lines += ["", "| width | peak GiB without the picture |", "|---|---|"]
        lines += [f"| {width} | {value:.2f} |" for width, value in report["memory_by_width"].items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/peers.json"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--size", choices=list(random_model.SIZES), help="default: full on a GPU")
    parser.add_argument("--width", type=int, help="pixels; default 3072 on a GPU, 1024 on a CPU")
    parser.add_argument("--steps", type=int, help="default 50 on a GPU, 10 on a CPU")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--widths", type=int, nargs="*", default=[2048, 4096, 16384], help="for the memory")
    parser.add_argument("--model", type=Path, help="a folder instead of random weights")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = choose_device(options.device)
    dtype = choose_dtype(options.precision, device)
    small = device.type == "cpu"
    with tempfile.TemporaryDirectory() as made:
        size = options.size or ("small" if small else "full")
        folder = options.model or random_model.build(Path(made) / "model", size, dtype, device)
        backbone = load(find(str(folder)), device, dtype)
        if not options.model:
            tiny = random_model.build_tiny_decoder(Path(made) / "tiny", size, dtype)
            backbone.tiny = tiny_decoder.load(tiny, backbone)
        if options.memory_of:
            sys.stdout.write(f"{memory_at(backbone, options.memory_of)}\n")
            return
        width = options.width or (1024 if small else 3072)
        report = compare(Bench(backbone, width, options.steps or (10 if small else 50)), options.repeat)
        report["memory_by_width"] = by_width(options, folder)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2), encoding="utf-8")
    sys.stdout.write(in_words(report))


if __name__ == "__main__":
    main()
