# SPDX-License-Identifier: GPL-3.0-or-later
"""Which memory plan a job's device allows, and keeping a network's weights as a plan says."""

from __future__ import annotations

from sync_engine.catalog.memory import Sizes, plan_for
from sync_engine.common.device import free_memory_gb
from sync_engine.common.late import torch
from sync_engine.interface.memory_plan import MemoryPlan
from sync_engine.interface.wording import Message

STORED = "float8_e4m3fn"
"""How weights are kept in 8 bits: 4 bits of exponent, 3 of mantissa, as files in fp8 have them."""


def plan_on(
    device: torch.device,
    dtype: torch.dtype,
    sizes: Sizes | None,
    weights: str,
    offload: str,
    below: MemoryPlan | None = None,
) -> MemoryPlan | None:
    """Return how weights are kept on a device; None where nothing is smaller than ``below``.

    Offloading is for GPUs with a memory of their own. On a processor weights in 8 bits come only when they
    are asked for or when memory ran out; Apple's GPUs do not know them.
    """
    if device.type == "cuda":
        free = free_memory_gb(device)
        return plan_for(sizes, free, itemsize=dtype.itemsize, weights=weights, offload=offload, below=below)
    if below is None:
        return MemoryPlan(weights="fp8" if weights == "fp8" and device.type == "cpu" else "full")
    if device.type == "cpu" and weights == "auto" and below.weights == "full":
        return MemoryPlan(weights="fp8")
    return None


def notes_on(device: torch.device, plan: MemoryPlan, weights: str, offload: str) -> list[Message]:
    """Return what the user should know of a plan: where it differs from what was asked for, or is smaller."""
    if device.type != "cuda":
        notes = []
        if offload in ("model", "group"):
            notes.append(
                Message("Offloading has no use on {device}: the memory is the same.", device=device.type)
            )
        if weights == "fp8" and plan.weights != "fp8":
            notes.append(Message("{device} has no numbers of 8 bits: the weights stay.", device=device.type))
        return notes
    chosen = (plan.weights != "full" and weights == "auto") or (plan.offload != "none" and offload == "auto")
    return plan.sentences() if chosen or not plan.fits else []


def keep_in_8_bits(network: torch.nn.Module, dtype: torch.dtype) -> None:
    """Keep a network's weights in 8 bits; each layer is converted to ``dtype`` while it computes.

    Norms, embeddings and what the class names as sensitive stay as they are (diffusers' layerwise casting).
    """
    from diffusers.hooks.layerwise_casting import DEFAULT_SKIP_MODULES_PATTERN, apply_layerwise_casting

    patterns = list(DEFAULT_SKIP_MODULES_PATTERN)
    for name in ("_skip_layerwise_casting_patterns", "_keep_in_fp32_modules"):
        patterns += getattr(network, name, None) or []
    apply_layerwise_casting(network, getattr(torch, STORED), dtype, tuple(patterns))


def lend_layers(network: torch.nn.Module, device: torch.device) -> None:
    """Keep a network in the CPU's memory; a layer is on the device while it computes, the next on its way."""
    from diffusers.hooks.group_offloading import apply_group_offloading

    apply_group_offloading(
        network, device, torch.device("cpu"), "leaf_level", use_stream=device.type == "cuda"
    )
