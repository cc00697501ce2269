# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps one model loaded between jobs, in the way that the last job wanted it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_engine.backbones import tiny_decoder
from sync_engine.backbones.model import Model
from sync_engine.catalog import models
from sync_engine.common.device import choose_device, choose_dtype, give_memory_back
from sync_engine.interface.loras import Lora
from sync_engine.interface.spec import EnvironmentSpec
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

    def backbone(
        self, spec: EnvironmentSpec, tiny: Path | None = None, note: Callable[[str], None] = lambda text: None
    ) -> Model:
        """Return the spec's model on the spec's device, loading it when another was there.

        Args:
            tiny: folder of a tiny decoder for it.
            note: told what the device makes of ``offload`` and ``compile``.
        """
        from sync_engine.backbones.loading import load
        from sync_engine.backbones.loras import identity

        device = choose_device(spec.device)
        dtype = choose_dtype(spec.precision, device)
        model = models.find(spec.model)
        loras = [Lora.parse(text) for text in spec.loras]
        changed = Path(model.source).stat().st_mtime_ns if model.base else 0
        key = (
            model.source,
            changed,
            str(device),
            str(dtype),
            identity(loras),
            spec.offload,
            spec.compile,
        )
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None
            give_memory_back()
            backbone = load(model, device, dtype, loras, spec.offload)
            if spec.compile:
                backbone.compile()
            self._loaded = (key, backbone)
        backbone = self._loaded[1]
        for text in backbone.notes:
            note(text)
        backbone.tiny = None if tiny is None else tiny_decoder.load(tiny, backbone)
        return backbone
