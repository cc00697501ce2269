# SPDX-License-Identifier: GPL-3.0-or-later
"""Training in half precision with float32 master weights, moved by Muon where a weight is a matrix.

A forward and backward pass in pure bfloat16 takes two thirds of the time that autocast takes on a CPU,
which casts every weight at every use. Muon (Jordan et al. 2024) makes each step of a matrix orthogonal; on
short runs it needs about half of AdamW's steps. Convolutions count as matrices [out, in * h * w].
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from sync_engine.common.device import cpu_has_fast_bf16


def working_dtype(device: torch.device) -> torch.dtype:
    """bfloat16, but on a processor that multiplies it more slowly (300 times where it cannot at all)."""
    return torch.bfloat16 if device.type != "cpu" or cpu_has_fast_bf16() else torch.float32


def autocast(device: torch.device) -> torch.autocast:
    """The context in which products are made in the working precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=working_dtype(device) is torch.bfloat16)


class MasterWeights:
    """float32 copies of a module's weights with their optimizers; the module gets another precision.

    Args:
        module: what is trained; its weights are replaced by ones of ``dtype``.
        rate: learning rate of AdamW; Muon's is matched to the same root mean square of a step.
        weight_decay: decoupled, of the matrices only.
        dtype: the precision of the passes, see ``working_dtype``.
        plain: parts whose matrices AdamW moves nevertheless (first and last layers); embeddings always.
    """

    def __init__(
        self,
        module: nn.Module,
        rate: float,
        weight_decay: float = 0.01,
        plain: Iterable[nn.Module] = (),
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        embeddings = [part for part in module.modules() if isinstance(part, nn.Embedding)]
        by_adam = {id(weight) for part in (*embeddings, *plain) for weight in part.parameters()}
        full = [weight.detach().float().clone() for weight in module.parameters()]
        module.to(dtype)
        self.weights = list(module.parameters())
        self._flat = [nn.Parameter(_flattened(masters)) for masters in full]
        self.masters = [flat.data.view(w.shape) for flat, w in zip(self._flat, self.weights, strict=True)]
        """The float32 weights in the module's own shapes."""
        self.steps = 0
        self.refused = torch.zeros((), dtype=torch.long, device=full[0].device)
        """How many steps of this run had gradients that were not finite."""
        pairs = list(zip(self._flat, self.weights, strict=True))
        muon = [flat for flat, w in pairs if flat.ndim > 1 and id(w) not in by_adam]
        other = [flat for flat, w in pairs if flat.ndim == 1 or id(w) in by_adam]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(muon, lr=rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(other, lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
        ]

    def set_rate(self, rate: float) -> None:
        """Give every parameter group the same rate."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate

    @torch.no_grad()
    def step(self, clip: float = 1.0) -> torch.Tensor:
        """One step along the module's gradients, which are cleared; returns their norm before clipping.

        Gradients of which one is no finite number are refused: the step goes on by its momentum alone.
        """
        for flat, weight in zip(self._flat, self.weights, strict=True):
            if weight.grad is not None:
                flat.grad = weight.grad.float().reshape(flat.shape)
                weight.grad = None
        norm = torch.nn.utils.clip_grad_norm_(self._flat, clip)  # one that is not finite spoils all gradients
        for flat in self._flat:
            if flat.grad is not None:
                flat.grad.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        self.refused += ~norm.isfinite()
        self.steps += 1
        for optimizer in self.optimizers:
            optimizer.step()
        for master, weight in zip(self.masters, self.weights, strict=True):
            weight.copy_(master)
        for flat in self._flat:
            flat.grad = None
        return norm

    def check(self) -> None:
        """Raise FloatingPointError once a tenth of the run's steps had no finite gradient."""
        refused = int(self.refused)
        if refused > max(20, self.steps / 10):
            raise FloatingPointError(
                f"{refused} of {self.steps} steps had gradients that were no finite numbers: lower --rate or "
                "leave out --compile; the last checkpoint stays as it is"
            )

    def state_dict(self) -> dict[str, Any]:
        """Master weights and the optimizers' states."""
        return {"masters": self.masters, "optimizers": [o.state_dict() for o in self.optimizers]}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned; the module gets the weights too."""
        for master, weight, saved in zip(self.masters, self.weights, state["masters"], strict=True):
            master.copy_(saved)
            weight.copy_(saved)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


def _flattened(weight: torch.Tensor) -> torch.Tensor:
    return weight.contiguous().reshape(len(weight), -1) if weight.ndim > 1 else weight


class MasterAverage:
    """Exponential moving average of master weights, with a short memory early on."""

    def __init__(self, masters: MasterWeights, decay: float) -> None:
        self.values = [master.clone() for master in masters.masters]
        self.decay, self._masters = decay, masters

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the masters; ``step`` counts from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, self._masters.masters, 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> nn.Module:
        """Put the averaged weights into a float32 module of the same build; returns it."""
        for parameter, value in zip(module.parameters(), self.values, strict=True):
            parameter.copy_(value)
        return module
