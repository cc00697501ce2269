# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps one model loaded between jobs, in the way that the last job wanted it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_engine.backbones import tiny_decoder
from sync_engine.backbones.loading import load_from
from sync_engine.backbones.loras import identity
from sync_engine.backbones.model import Model
from sync_engine.common.device import give_memory_back
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

    def release(self) -> None:
        """Drop the model and the nets and give their memory back."""
        self.nets.clear()
        self._loaded = None
        give_memory_back()

    def model(self, plan: JobPlan, note: Callable[[str], None] = lambda text: None) -> Model:
        """Return the model of a plan on its device, loading it when another was there.

        ``note`` is told what the device makes of ``offload`` and ``compile``.
        """
        key = _key(plan)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None
            give_memory_back()
            where = plan.device, plan.dtype
            model = load_from(plan.row, plan.folder, plan.index, *where, plan.loras, plan.spec.offload)
            if plan.spec.compile:
                model.compile()
            self._loaded = (key, model)
        model = self._loaded[1]
        for text in model.notes:
            note(text)
        model.tiny = None if plan.tiny_folder is None else tiny_decoder.load(plan.tiny_folder, model)
        return model


def _key(plan: JobPlan) -> tuple[Any, ...]:
    """Return what tells a loaded model from another: also a file that was replaced."""
    source, loras = plan.row.source, identity(plan.loras)
    changed = Path(source).stat().st_mtime_ns if plan.row.base else 0
    return source, changed, str(plan.device), str(plan.dtype), loras, plan.spec.offload, plan.spec.compile
