# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the large parts of a model take turns on a device that cannot hold them all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sync_engine.common.late import torch

OFFLOAD_DEVICE = "cpu"
"""Where parts wait."""


class SequentialOffload:
    """Groups of modules of which one at a time is on the device; the others wait in the CPU's memory.

    A group comes when one of its modules is called, and the group before it goes: encoders and denoiser are
    never needed together, and each stage of a job calls only one of them, so few moves are made.

    Args:
        device: where modules compute.
        groups: modules that come and go together.
    """

    def __init__(self, device: torch.device, groups: Sequence[Sequence[torch.nn.Module]]) -> None:
        self.device, self.groups = device, [list(group) for group in groups]
        self._here: list[torch.nn.Module] = []
        for group in self.groups:
            for module in group:
                module.to(OFFLOAD_DEVICE)
                module.register_forward_pre_hook(partial(self._called, group))

    def join(self, group: list[torch.nn.Module], modules: Sequence[torch.nn.Module]) -> None:
        """Let more modules come and go with one of ``groups``; they wait at first."""
        for module in modules:
            module.to(self.device if group is self._here else OFFLOAD_DEVICE)
            module.register_forward_pre_hook(partial(self._called, group))
            group.append(module)

    def leave(self, modules: Sequence[torch.nn.Module]) -> None:
        """Let modules that joined wait from now on."""
        for group in self.groups:
            group[:] = [module for module in group if all(module is not other for other in modules)]
        for module in modules:
            module.to(OFFLOAD_DEVICE)

    def _called(self, group: list[torch.nn.Module], _module: torch.nn.Module, _inputs: Any) -> None:
        self.bring(group)

    def bring(self, group: list[torch.nn.Module]) -> None:
        """Put a group on the device, and the one that was there away; an empty one only makes room."""
        if group is self._here:
            return
        for module in self._here:
            module.to(OFFLOAD_DEVICE)
        self._here = []  # before the next comes: if it does not fit, nothing is half there
        for module in group:
            module.to(self.device)
        self._here = group
