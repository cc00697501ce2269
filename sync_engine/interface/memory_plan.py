# SPDX-License-Identifier: GPL-3.0-or-later
"""How a model's weights are kept in a GPU's memory, in data and in words; ``catalog/memory.py`` counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .wording import Message

WEIGHTS = ("auto", "full", "fp8")
OFFLOADS = ("auto", "none", "model", "group")


@dataclass(frozen=True)
class MemoryPlan:
    """What is kept where while a job runs.

    Attributes:
        weights: of the denoiser: ``full`` as precise as it computes, ``fp8`` in 8 bits, each layer converted
            while it computes.
        offload: ``none`` keeps all parts on the GPU; ``model`` lets text encoder and denoiser take turns;
            ``group`` lends them to it layer by layer.
        stream_text: whether the text encoder is lent layer by layer, though the denoiser is not.
        windows: how many windows at once to begin with.
        tiles: whether the picture is decoded in small tiles.
        peak_gb: GiB that are taken at the most, with one window at once.
        free_gb: GiB that were free when this was decided.
        window_gb: GiB that each window takes beside the weights; 0 where nobody has counted.
    """

    weights: str = "full"
    offload: str = "none"
    stream_text: bool = False
    windows: int = 1
    tiles: bool = False
    peak_gb: float = 0.0
    free_gb: float = 0.0
    window_gb: float = 0.0

    @property
    def fits(self) -> bool:
        """Whether this much was free."""
        return self.peak_gb <= self.free_gb

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: object) -> MemoryPlan | None:
        """Return a plan that came as JSON; None where it is none."""
        if not isinstance(data, Mapping):
            return None
        names = {field.name for field in dataclasses.fields(cls)}
        try:
            plan = cls(**{name: value for name, value in data.items() if name in names})
        except TypeError:
            return None
        numbers = (plan.peak_gb, plan.free_gb, plan.windows)
        return plan if all(isinstance(number, (int, float)) for number in numbers) else None

    def sentences(self) -> list[Message]:
        """Return the plan, a sentence each."""
        found = [
            Message(
                "About {peak:.1f} of {free:.1f} GiB of free GPU memory are needed.",
                peak=self.peak_gb,
                free=self.free_gb,
            )
        ]
        if self.weights == "fp8":
            found.append(Message("The weights are kept in 8 bits."))
        if self.offload == "model":
            found.append(Message("Text encoder and denoiser take turns on the GPU."))
        if self.offload == "group":
            found.append(Message("The weights are lent to the GPU layer by layer, which takes longer."))
        elif self.stream_text:
            found.append(Message("The text encoder is lent to the GPU layer by layer."))
        if self.tiles:
            found.append(Message("The picture is decoded in tiles."))
        if not self.fits:
            found.append(Message("It may not fit: choose a smaller model."))
        return found
