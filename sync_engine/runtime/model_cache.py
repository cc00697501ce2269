# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps one model loaded between jobs, in the way that the last job wanted it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_engine.backbones import controlnets, tiny_decoder
from sync_engine.backbones.loading import load_from
from sync_engine.backbones.loras import identity
from sync_engine.backbones.model import Model
from sync_engine.backbones.placement import notes_on, plan_on
from sync_engine.catalog.memory import sizes_of
from sync_engine.common.device import give_memory_back
from sync_engine.diffusion.controlnet import Control
from sync_engine.interface.memory_plan import MemoryPlan
from sync_engine.runtime.plan import JobPlan
from sync_engine.sync.feature_nets import FeatureNets


class ModelCache:
    """Holds the model of the last job; another one, or other LoRAs or settings of memory, take its place.

    Attributes:
        nets: what windows were compared through so far; they stay when another model takes its place.
    """

    def __init__(self) -> None:
        self.nets = FeatureNets()
        self._loaded: tuple[tuple[Any, ...], Model] | None = None
        self._too_large: tuple[tuple[Any, ...], MemoryPlan] | None = None
        self._last: tuple[tuple[Any, ...], MemoryPlan] | None = None
        self._controls: dict[tuple[Any, ...], Any] = {}

    def release(self) -> None:
        """Drop the model and the nets and give their memory back."""
        self.nets.clear()
        self._loaded = None
        self._controls = {}
        give_memory_back()

    def model(self, plan: JobPlan, note: Callable[[str], None] = lambda text: None) -> Model:
        """Return the model of a plan on its device, loading it when another was there.

        ``note`` is told what the device makes of ``offload`` and ``compile``.
        """
        key = _key(plan)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None
            self._controls = {}
            give_memory_back()
            memory = self._plan_memory(plan, key)
            where = plan.device, plan.dtype
            model = load_from(plan.row, plan.folder, plan.index, *where, plan.loras, memory)
            model.notes += notes_on(plan.device, memory, plan.spec.weights, plan.spec.offload)
            if plan.spec.compile:
                model.compile()
            self._loaded = (key, model)
        model = self._loaded[1]
        for text in model.notes:
            note(text)
        model.tiny = None if plan.tiny_folder is None else tiny_decoder.load(plan.tiny_folder, model)
        return model

    @property
    def kept_as(self) -> str:
        """How the last model's weights are kept and its pictures decoded, as far as pixels depend on it."""
        memory = MemoryPlan() if self._last is None else self._last[1]
        return f"{memory.weights}{' tiles' if memory.tiles else ''}"

    def _plan_memory(self, plan: JobPlan, key: tuple[Any, ...]) -> MemoryPlan:
        """Return how the model of a plan is kept: not as it was when memory ran out."""
        below = self._too_large[1] if self._too_large is not None and self._too_large[0] == key else None
        memory = self._next_plan(plan, below) or below or MemoryPlan()
        self._last = key, memory
        return memory

    def _next_plan(self, plan: JobPlan, below: MemoryPlan | None) -> MemoryPlan | None:
        spec, sizes = plan.spec, sizes_of(plan.row, plan.folder)
        return plan_on(plan.device, plan.dtype, sizes, spec.weights, spec.offload, below)

    def step_down(self, plan: JobPlan) -> bool:
        """After memory ran out: drop the model, and keep its weights smaller when it is loaded again.

        Returns whether there is a smaller way.
        """
        last = self._last
        self.release()
        if last is None or last[0] != _key(plan) or self._next_plan(plan, last[1]) is None:
            return False
        self._too_large = last
        return True

    def controls(self, plan: JobPlan, model: Model) -> list[Control]:
        """Return the ControlNets of a plan beside its model, loading those that the last job did not have."""
        kept, found = self._controls, []
        self._controls = {}
        for planned in plan.controls:
            guide, place = planned.map.guide, planned.net
            key = (str(place.place), place.changed, str(model.device), str(model.dtype))
            if key not in self._controls:
                self._controls[key] = kept.pop(key, None) or controlnets.load(
                    place, model.denoiser, model.dtype
                )
            net = self._controls[key]
            mode = controlnets.mode_of(net, guide.kind)
            found.append(Control(net=net, mode=mode, scale=guide.scale, start=guide.start, end=guide.end))
        kept.clear()
        model.place_beside_denoiser(list(self._controls.values()))
        return found


def _key(plan: JobPlan) -> tuple[Any, ...]:
    """Return what tells a loaded model from another: also a file that was replaced."""
    source, loras = plan.row.source, identity(plan.loras)
    changed = Path(source).stat().st_mtime_ns if plan.row.base else 0
    return source, changed, str(plan.device), str(plan.dtype), loras, *_kept(plan)


def _kept(plan: JobPlan) -> tuple[Any, ...]:
    return plan.spec.weights, plan.spec.offload, plan.spec.compile
