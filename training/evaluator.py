# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of prompt fidelity: what does a picture show? For measuring only, never for sampling.

A linear head on frozen LPIPS-VGG features, trained on views of the training scenes, names the scene
family, the time of day and the weather of rendered views. Only the head is kept
(``benchmarks/evaluator.safetensors``); reading a picture needs the LPIPS-VGG weights too.

    python -m training.evaluator --lpips ../shared/lpips/vgg.safetensors
"""

import argparse
import json
import logging
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from sync_engine.canvas.views import View as FixedView
from sync_engine.canvas.views import cut_view
from sync_engine.sync.feature_nets import load_lpips
from training import checkpoints
from training.panoramas import Record, is_held_out, open_pictures, read_index, to_panorama
from training.precision import autocast
from training.views import View, cut_views

HEAD_FILE = Path("benchmarks/evaluator.safetensors")
VIEW_SIZE = 128
"""Pixels of a view as the net sees it."""
PANEL = tuple(
    FixedView(azimuth, elevation, 90.0)
    for elevation, first in ((0.0, 0), (25.0, 45))
    for azimuth in range(first, first + 360, 90)
)
"""The eight views by which a whole panorama is judged: four at the horizon, four above it."""

TIMES: dict[str, tuple[str, ...]] = {
    "day": ("noon", "midday", "morning", "afternoon"),
    "low sun": ("golden hour", "sunset", "sunrise"),
    "dusk": ("dusk",),
    "night": ("night",),
    "none": ("none",),
}
"""Times that a picture can tell apart; sunrise and sunset, noon and midday look the same."""
WEATHERS: dict[str, tuple[str, ...]] = {
    "clear": ("clear",),
    "clouds": ("scattered", "partly cloudy", "broken", "wispy"),
    "overcast": ("overcast", "stormy"),
    "haze": ("foggy", "hazy"),
    "milky way": ("milky way",),
    "aurora": ("aurora",),
    "none": ("none",),
}
"""Weathers by what covers the sky; "scattered" and "broken" differ by a share of it only."""

log = logging.getLogger(__name__)
Logits = dict[str, torch.Tensor]


def truth_of(record: Record) -> dict[str, str]:
    """The classes of a record: scene, and the groups of its time and weather."""
    time_of_day = next(group for group, times in TIMES.items() if record["time"] in times)
    weather = next(group for group, weathers in WEATHERS.items() if record["weather"] in weathers)
    return {"scene": record["scene"], "time": time_of_day, "weather": weather}


class Features:
    """Mean and standard deviation of each of the five VGG-16 layers of LPIPS: ``[N, 2944]``."""

    def __init__(self, weights: Path, device: torch.device) -> None:
        net = load_lpips("vgg", weights, device)
        self.net, self.device = net.to(memory_format=torch.channels_last), device

    @torch.inference_mode()
    def __call__(self, views: torch.Tensor) -> torch.Tensor:
        """Features of views ``[N, 3, h, w]`` in [-1, 1], which are reduced to 128 pixels first."""
        small = functional.interpolate(
            views.to(self.device), (VIEW_SIZE, VIEW_SIZE), mode="bilinear", antialias=True
        )
        small = small.clamp(-1, 1).contiguous(memory_format=torch.channels_last)
        with autocast(self.device):
            layers = self.net.net(self.net.scaling_layer(small))
        pooled = [pool for layer in layers for pool in _pools(layer.float())]
        return torch.cat(pooled, dim=1).cpu()


def _pools(layer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return layer.mean((2, 3)), layer.std((2, 3))


class Head(nn.Module):
    """One linear layer a question on standardised features."""

    def __init__(self, width: int, heads: dict[str, list[str]]) -> None:
        super().__init__()
        self.classes = heads
        self.mean, self.scale = nn.Buffer(torch.zeros(width)), nn.Buffer(torch.ones(width))
        self.questions = nn.ModuleDict({name: nn.Linear(width, len(kinds)) for name, kinds in heads.items()})

    def forward(self, features: torch.Tensor) -> Logits:
        """Logits ``[N, classes]`` per question."""
        x = ((features.float() - self.mean) / self.scale).clamp(-6, 6)
        return {name: linear(x) for name, linear in self.questions.items()}


class Evaluator:
    """Features and head together.

    Args:
        weights: LPIPS-VGG as safetensors.
        file: the head that ``python -m training.evaluator`` wrote.
    """

    def __init__(self, weights: Path, file: Path = HEAD_FILE, device: torch.device | None = None) -> None:
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing: run python -m training.evaluator")
        with safe_open(file, framework="pt") as stored:
            self.about: dict[str, Any] = json.loads(stored.metadata()["about"])
            state = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        self.features = Features(weights, device or torch.device("cpu"))
        self.head = Head(len(state["mean"]), self.about["classes"])
        self.head.load_state_dict(state)
        self.head.eval().requires_grad_(False)

    def judge(self, views: torch.Tensor) -> dict[str, str]:
        """The classes of one picture from its views ``[N, 3, h, w]`` in [-1, 1], their logits averaged."""
        return self.answers(self.head(self.features(views)))

    def answers(self, logits: Logits) -> dict[str, str]:
        """The class with the highest mean logit of each question."""
        return {name: self.head.classes[name][int(rows.mean(0).argmax())] for name, rows in logits.items()}


# --- training ------------------------------------------------------------------------------


class Views(NamedTuple):
    """Features ``[scenes, views, 2944]`` of the scenes with these row numbers of the index."""

    features: torch.Tensor
    rows: torch.Tensor


def draw_training_view(rng: np.random.Generator) -> View:
    """A view as a plate or the panel could show it: near the horizon or above it."""
    return View(rng.uniform(-180, 180), rng.uniform(-30, 45), rng.uniform(60, 100), bool(rng.uniform() < 0.5))


def training_views(panorama: torch.Tensor, count: int, rng: np.random.Generator) -> torch.Tensor:
    """Random views ``[count, 3, 128, 128]``, half of them blurred: generated pictures are soft."""
    views = cut_views(panorama, [draw_training_view(rng) for _ in range(count)], 2 * VIEW_SIZE)
    views = functional.avg_pool2d(views, 2)
    for number in range(count):
        if rng.uniform() < 0.5:
            small = functional.avg_pool2d(views[number : number + 1], 2)
            views[number : number + 1] = functional.interpolate(small, scale_factor=2, mode="bilinear")
    return views


def panel(panorama: torch.Tensor) -> torch.Tensor:
    """The eight fixed views ``[8, 3, 256, 256]`` of a panorama ``[3, H, W]``."""
    return torch.cat([cut_view(panorama, view, 2 * VIEW_SIZE) for view in PANEL])


def collect(args: argparse.Namespace, records: list[Record], device: torch.device) -> tuple[Views, Views]:
    """Features of random views of the training scenes and of the held-out scenes' panels, kept in a file."""
    path = args.runs / "evaluator_features.pt"
    stored = checkpoints.load(path, torch.device("cpu")) or {"features": [], "rows": []}
    net, pictures = Features(args.lpips, device), open_pictures(records, args.pictures)
    for row in range(len(stored["rows"]), len(records)):
        panorama = to_panorama(pictures[row])
        if is_held_out(records[row]):
            views = panel(panorama)
        else:
            views = training_views(panorama, args.views, np.random.default_rng([args.seed, row]))
        stored["features"].append(net(views).half())
        stored["rows"].append(row)
        if row % 50 == 49 or row == len(records) - 1:
            checkpoints.save(path, stored)
            log.info("features of %d of %d scenes", row + 1, len(records))
    parts = []
    for held_out in (False, True):
        rows = [row for row in stored["rows"] if is_held_out(records[row]) == held_out]
        features = torch.stack([stored["features"][row] for row in rows]).float()
        parts.append(Views(features, torch.tensor(rows)))
    return parts[0], parts[1]


def fit(views: Views, labels: Logits, heads: dict[str, list[str]], decay: float, steps: int) -> Head:
    """Train a head by full-batch AdamW on all views; ``decay`` is its weight decay."""
    flat = views.features.flatten(0, 1)
    head = Head(flat.shape[1], heads)
    head.mean, head.scale = flat.mean(0), flat.std(0) + 1e-3
    truth = {
        name: numbers[views.rows].repeat_interleave(views.features.shape[1])
        for name, numbers in labels.items()
    }
    optimizer = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=decay)
    for step in range(steps):
        checkpoints.set_learning_rate(optimizer, checkpoints.learning_rate(step, steps, 2e-3, 10))
        kept = functional.dropout(torch.ones_like(flat[:1]), 0.3)  # the same features for all views of a step
        logits = head(head.mean + (flat - head.mean) * kept)
        loss = torch.stack(
            [functional.cross_entropy(logits[n], truth[n], label_smoothing=0.05) for n in heads]
        ).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head.eval().requires_grad_(False)


def accuracy(head: Head, views: Views, labels: Logits) -> dict[str, dict[str, float]]:
    """Share of right answers of each question: per view, and per panorama (mean logits)."""
    count = views.features.shape[1]
    result = {}
    for name, logits in head(views.features.flatten(0, 1)).items():
        truth = labels[name][views.rows]
        single = logits.argmax(1).reshape(-1, count) == truth[:, None]
        joined = logits.reshape(-1, count, logits.shape[1]).mean(1).argmax(1) == truth
        result[name] = {
            "view": round(single.float().mean().item(), 3),
            "panorama": round(joined.float().mean().item(), 3),
        }
    return result


def train(args: argparse.Namespace) -> None:
    """Collect features, choose the weight decay on a tenth of the training scenes, fit, measure, write."""
    device = checkpoints.start(args)
    records = read_index(*args.data)
    training, held_out = collect(args, records, device)
    truths = [truth_of(record) for record in records]
    heads = {name: sorted({truth[name] for truth in truths}) for name in truths[0]}
    labels = {
        name: torch.tensor([kinds.index(truth[name]) for truth in truths]) for name, kinds in heads.items()
    }
    started = time.process_time()
    choice = torch.randperm(len(training.rows), generator=torch.Generator().manual_seed(args.seed)) < (
        len(training.rows) // 10
    )
    inner = Views(training.features[~choice], training.rows[~choice])
    outer = Views(training.features[choice], training.rows[choice])
    found = {}
    for decay in args.decays:
        figures = accuracy(fit(inner, labels, heads, decay, args.steps), outer, labels)
        found[decay] = sum(figure["panorama"] for figure in figures.values())
        log.info("weight decay %g: %s on a tenth of the training scenes", decay, figures)
    decay = max(found, key=lambda value: found[value])
    head = fit(training, labels, heads, decay, args.steps)
    figures = accuracy(head, held_out, labels)
    log.info("weight decay %g, held-out scenes: %s, %.0f s", decay, figures, time.process_time() - started)
    about = {
        "classes": heads,
        "held_out_accuracy": figures,
        "training_scenes": len(training.rows),
        "held_out_scenes": len(held_out.rows),
        "weight_decay": decay,
    }
    state = {name: value.half().contiguous() for name, value in head.state_dict().items()}
    save_file(state, args.out, {"about": json.dumps(about)})


def main() -> None:
    """Command line."""
    parser = checkpoints.base_parser(__doc__.splitlines()[0])
    parser.add_argument("--lpips", type=Path, required=True, help="LPIPS-VGG as safetensors")
    parser.add_argument("--pictures", type=Path, help="folder of panoramas.npy; default: --runs")
    parser.add_argument("--views", type=int, default=5, help="views of each training scene")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--decays", type=float, nargs="+", default=[0.03, 0.3, 1.0, 3.0])
    parser.add_argument("--out", type=Path, default=HEAD_FILE)
    args = parser.parse_args()
    args.pictures = args.pictures or args.runs
    train(args)


if __name__ == "__main__":
    main()
