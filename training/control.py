# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the draft model's depth ControlNet on views of the panoramas and their scenes' distances.

The distances are made by ``training.generator.depth`` from the panoramas' seeds. Denoiser and text encoder
stay as they are; the net is an encoder of the denoiser's widths without attention, begun from the denoiser's
own convolutions. Run it again to go on.

    python -m training.control --depth training/runs/depth --minutes 30
"""

import argparse
import json
import logging
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from torch.nn import functional

from sync_engine.backbones.controlnets import ABOUT
from sync_engine.canvas import views as canvas_views
from sync_engine.guiding.control_maps import of_distances
from sync_engine.interface.guides import Control
from training import checkpoints, parts
from training.autoencoder import COLOUR_SCALES, VIEW_SIZE
from training.captions import view_caption
from training.denoiser import COARSE_WEIGHT, COLOUR_WEIGHT, TEXTURE_WEIGHT, take_over
from training.panoramas import Record, is_held_out, read_index, to_panorama
from training.precision import MasterAverage, MasterWeights, working_dtype
from training.views import View, cut_views

MAP_CHANNELS = (8, 16, 32, 64)
"""Of the layers that read the map at its full size: a fifth of the products of the usual ones."""
LEVEL_SHARE = 0.75
"""Of the views look at the horizon, where skylines are."""

log = logging.getLogger(__name__)


def build_net(unet: torch.nn.Module) -> ControlNetModel:
    """A net of 3 M parameters for the draft model's U-Net."""
    net = ControlNetModel(
        in_channels=unet.config.in_channels,
        down_block_types=("DownBlock2D",) * 3,
        mid_block_type="UNetMidBlock2D",
        block_out_channels=(64, 128, 256),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=parts.TEXT_WIDTH,
        attention_head_dim=4,
        use_linear_projection=True,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        conditioning_embedding_out_channels=MAP_CHANNELS,
    )
    take_over(net, unet)
    torch.nn.init.kaiming_normal_(net.controlnet_cond_embedding.conv_out.weight)  # zeros learn late
    return net


def draw_view(rng: np.random.Generator) -> View:
    """A random view, mostly of a World's middle row."""
    level = rng.uniform() < LEVEL_SHARE
    pitch = (
        rng.uniform(-6, 6) if level else float(rng.choice([45.0, -45.0, 90.0, -90.0], p=[0.4, 0.4, 0.1, 0.1]))
    )
    fov = 90.0 if rng.uniform() < 0.7 else rng.uniform(70, 95)
    return View(rng.uniform(-180, 180), pitch, fov, bool(rng.uniform() < 0.5))


@torch.no_grad()
def views_of(record: Record, vae: torch.nn.Module, depth: Path, count: int) -> dict[str, np.ndarray]:
    """Latents and maps of ``count`` views of a panorama, and what they look at."""
    from PIL import Image

    rng = np.random.default_rng([int(record["id"]), 7])
    views = [draw_view(rng) for _ in range(count)]
    with Image.open(record["picture"]) as picture:
        panorama = to_panorama(np.asarray(picture.convert("RGB")))
    batch = cut_views(panorama, views, VIEW_SIZE).contiguous(memory_format=torch.channels_last)
    latents = vae.encoder(batch.to(vae.dtype)).half().numpy()
    distances = torch.from_numpy(np.load(depth)["distance"].astype(np.float32))
    whole = of_distances(Control(file=str(depth)), distances, record["id"])
    maps = []
    for view in views:
        shown = whole.of_view(canvas_views.View(view.azimuth, view.pitch, view.fov), VIEW_SIZE, True)[0]
        maps.append(((shown.flip(1) if view.flip else shown) * 255).round().byte().numpy())
    return {"latents": latents, "maps": np.stack(maps), "views": np.array(views, np.float32)}


class Source:
    """Batches of views with their maps and captions."""

    def __init__(
        self, records: list[Record], folder: Path, tokenizer: object, scale: float, seed: int
    ) -> None:
        self.records = records
        self.cached = [dict(np.load(folder / f"{record['id']}.npz")) for record in records]
        self.tokenizer, self.scale, self.rng = tokenizer, scale, np.random.default_rng(seed)

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Latents [N, C, 32, 32], maps [N, 3, 256, 256], token ids [N, 48]."""
        pairs = [
            (int(row), int(self.rng.integers(len(self.cached[row]["latents"]))))
            for row in self.rng.integers(len(self.records), size=size)
        ]
        texts = []
        for row, number in pairs:
            view = View(*self.cached[row]["views"][number].tolist()[:3])
            empty = self.rng.uniform() < 0.1  # then the map alone says what to paint
            texts.append("" if empty else view_caption(self.records[row], view, self.rng))
        latents = torch.from_numpy(np.stack([self.cached[row]["latents"][n] for row, n in pairs])).float()
        maps = torch.from_numpy(np.stack([self.cached[row]["maps"][n] for row, n in pairs])).float() / 255
        return (
            (latents * self.scale).contiguous(memory_format=torch.channels_last),
            maps[:, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last),
            parts.tokenize(self.tokenizer, texts),
        )


def draw_timesteps(count: int) -> torch.Tensor:
    """Timesteps [count], seven of ten above 600: where things stand is settled there."""
    quantiles = (torch.arange(count) + torch.rand(count)) / count
    return torch.where(
        quantiles < 0.3, 100 + 500 * quantiles / 0.3, 600 + 400 * (quantiles - 0.3) / 0.7
    ).long()


def loss_of(
    models: tuple, net: torch.nn.Module | None, batch: tuple, timesteps: torch.Tensor
) -> torch.Tensor:
    """Weighted squared error of the velocity, with the net beside the denoiser or without."""
    unet, text_encoder, scheduler, dtype = models
    latents, maps, tokens = batch
    with torch.no_grad():
        words = text_encoder(tokens)[0].to(dtype)
    noise = torch.randn_like(latents)
    noisy = scheduler.add_noise(latents, noise, timesteps).to(dtype)
    added: dict = {}
    if net is not None:
        down, middle = net(noisy, timesteps, words, controlnet_cond=maps.to(dtype), return_dict=False)
        added = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
    velocity = unet(noisy, timesteps, words, return_dict=False, **added)[0].float()
    error = velocity - scheduler.get_velocity(latents, noise, timesteps)
    weights = torch.full((error.shape[1], 1, 1), TEXTURE_WEIGHT)
    weights[: len(COLOUR_SCALES)] = COLOUR_WEIGHT
    coarse = (weights * functional.avg_pool2d(error, 4).square()).mean()
    return (weights * error.square()).mean() + COARSE_WEIGHT * coarse


@torch.no_grad()
def held_out(models: tuple, net: torch.nn.Module | None, source: Source) -> float:
    """The loss on held-out scenes at high noise, over the same views and noise every time."""
    source.rng = np.random.default_rng(99)
    with torch.random.fork_rng():
        torch.manual_seed(99)
        steps = torch.linspace(500, 990, 16).long()
        return float(np.mean([loss_of(models, net, source.batch(16), steps).item() for _ in range(2)]))


def save(net: ControlNetModel, folder: Path) -> None:
    """Write a net in half precision, with how its maps are made."""
    net.half().save_pretrained(folder)
    (folder / ABOUT).write_text(json.dumps({"depth": "logarithmic"}), encoding="utf-8")


def train(args: argparse.Namespace) -> None:
    """Prepare the views that are missing, then train for ``--minutes``."""
    device = checkpoints.start(args)
    began = time.monotonic()
    pipeline = StableDiffusionPipeline.from_pretrained(args.export, safety_checker=None)
    dtype = working_dtype(device)
    cache = args.runs / "control_views"
    cache.mkdir(parents=True, exist_ok=True)
    records = [r for r in read_index(*args.data) if (args.depth / f"{r['id']}.npz").is_file()][: args.scenes]
    vae = pipeline.vae.eval().to(dtype=dtype, memory_format=torch.channels_last)
    for record in records:
        path = cache / f"{record['id']}.npz"
        if path.is_file() or time.monotonic() - began > 60 * args.minutes / 2:
            continue
        np.savez(path, **views_of(record, vae, args.depth / path.name, args.views))
    records = [record for record in records if (cache / f"{record['id']}.npz").is_file()]
    scale = pipeline.vae.config.scaling_factor
    learnt = [record for record in records if not is_held_out(record)]
    source = Source(learnt, cache, pipeline.tokenizer, scale, args.seed + int(time.time()) % 10**6)
    kept = Source([r for r in records if is_held_out(r)], cache, pipeline.tokenizer, scale, 0)
    unet = pipeline.unet.eval().requires_grad_(False)
    net = build_net(unet)
    unet.to(dtype=dtype, memory_format=torch.channels_last).set_attn_processor(AttnProcessor())
    models = (unet, pipeline.text_encoder.eval(), parts.build_scheduler(), dtype)
    net.to(memory_format=torch.channels_last).train()
    plain = [
        part for name, part in net.named_children() if name != "conv_in"
    ]  # Muon is dear at small batches
    masters = MasterWeights(net, args.rate, plain=plain, dtype=dtype)
    average = MasterAverage(masters, args.average)
    path, step = args.runs / "control.pt", 0
    if (state := checkpoints.load(path, device)) is not None:
        masters.load_state_dict(state["masters"])
        average.values, step = state["average"], state["step"]
    log.info(
        "%.2f M parameters, %d scenes, %d held out, from step %d, %.1f min to prepare",
        checkpoints.parameter_count([net]) / 1e6, len(learnt), len(kept.records), step,
        (time.monotonic() - began) / 60,
    )  # fmt: skip
    running = 0.0
    while time.monotonic() - began < 60 * args.minutes:
        masters.set_rate(args.rate * min(1.0, (step + 1) / 20))
        loss = loss_of(models, net, source.batch(args.batch), draw_timesteps(args.batch))
        loss.backward()
        masters.step()
        average.update(step)
        running = loss.item() if running == 0 else 0.98 * running + 0.02 * loss.item()
        step += 1
        if step % 20 == 0:
            log.info("step %d, %.1f min, loss %.4f", step, (time.monotonic() - began) / 60, running)
    checkpoints.save(path, {"masters": masters.state_dict(), "average": average.values, "step": step})
    averaged = build_net(unet.float())
    average.copy_to(averaged).eval()
    if kept.records:
        models = (unet, models[1], models[2], torch.float32)
        with_it, without = held_out(models, averaged, kept), held_out(models, None, kept)
        log.info("held out after %d steps: loss %.4f, without the net %.4f", step, with_it, without)
    save(averaged, args.out)


def main() -> None:
    """Command line."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--depth", type=Path, required=True, help="folder of training.generator.depth")
    parser.add_argument("--out", type=Path, default=Path("sync_engine/draft/depth"))
    parser.add_argument("--scenes", type=int, default=10**6, help="of so many panoramas at most")
    parser.add_argument("--views", type=int, default=24, help="views per panorama")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long this run lasts")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--average", type=float, default=0.99)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
