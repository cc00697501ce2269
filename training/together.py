# SPDX-License-Identifier: GPL-3.0-or-later
"""Several training processes that average their gradients: one a core, so that no thread waits for another.

Two threads of one process wait for each other some thousand times a step, which is slow on a machine that
does other things too; two processes wait once a step.
"""

from pathlib import Path

import torch
from torch import distributed


def join(rank: int, world: int, meeting: Path) -> None:
    """Meet the other processes through a file that must not exist before; nothing to do when alone."""
    if world > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{meeting.absolute()}", rank=rank, world_size=world
        )


@torch.no_grad()
def same_start(model: torch.nn.Module) -> None:
    """Give every process the weights of the first."""
    if distributed.is_initialized():
        for parameter in model.parameters():
            distributed.broadcast(parameter.data, 0)


@torch.no_grad()
def average_gradients(model: torch.nn.Module) -> None:
    """Replace every gradient by its mean over the processes."""
    if not distributed.is_initialized():
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1).float() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.reshape(gradient.shape))


def agreed(value: float) -> float:
    """The first process's value, in every process."""
    if not distributed.is_initialized():
        return value
    told = torch.tensor([value], dtype=torch.float64)
    distributed.broadcast(told, 0)
    return told.item()
