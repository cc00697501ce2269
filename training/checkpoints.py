# SPDX-License-Identifier: GPL-3.0-or-later
"""What every training script shares: logging, device, checkpoints, averages."""

import argparse
import copy
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.panoramas import DATA_FOLDER, RUNS_FOLDER

EXPORT_FOLDER = Path("sync_engine/draft")


def base_parser(description: str) -> argparse.ArgumentParser:
    """The options every script has: where the data, the runs and the exported model are."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data", type=Path, nargs="+", default=[DATA_FOLDER], help="the panorama set: one folder or several"
    )
    parser.add_argument("--runs", type=Path, default=RUNS_FOLDER, help="folder of caches and checkpoints")
    parser.add_argument("--export", type=Path, default=EXPORT_FOLDER, help="folder of the exported model")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def start(args: argparse.Namespace) -> torch.device:
    """Set up logging, threads and seeds; return the device to train on."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.runs.mkdir(parents=True, exist_ok=True)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint of tensors and plain values; the old one survives until the new one is whole."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def load(path: Path, device: torch.device) -> dict[str, Any] | None:
    """The checkpoint at ``path`` (tensors and plain values only), or None when there is none."""
    return torch.load(path, map_location=device, weights_only=True) if path.is_file() else None


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group the same rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


class Average:
    """Exponential moving average of a module's parameters, with a short memory early on."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move the average towards ``module``; ``step`` counts from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ours, theirs = _tensors(self.module), _tensors(module)
        torch._foreach_lerp_(ours, theirs, 1 - decay)


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    return [parameter.data for parameter in module.parameters()]


def parameter_count(modules: Iterable[nn.Module]) -> int:
    """Number of parameters of several modules together."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
