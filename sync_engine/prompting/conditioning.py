# SPDX-License-Identifier: GPL-3.0-or-later
"""What the model is told of every window: entries of a window, a prompt, a mask and a control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sync_engine.common.late import torch


@dataclass(frozen=True)
class TextEmbedding:
    """What a model's text encoders made of P prompts; only the model that made it looks inside.

    Attributes:
        states: P hidden states ``(L, D)``, of one length or, where padding is left out, each of its own.
        pooled: P embeddings ``(E,)`` of the whole prompt, for models that have such.
    """

    states: tuple[torch.Tensor, ...]
    pooled: tuple[torch.Tensor, ...] = ()

    def pick(self, numbers: Sequence[int]) -> TextEmbedding:
        """Return the embedding of some of the prompts, in this order; a number may repeat."""
        return TextEmbedding(*(tuple(part[i] for i in numbers) if part else () for part in self._parts))

    def __add__(self, other: TextEmbedding) -> TextEmbedding:
        """Return the embedding of the prompts of both."""
        return TextEmbedding(self.states + other.states, self.pooled + other.pooled)

    @property
    def _parts(self) -> tuple[tuple[torch.Tensor, ...], ...]:
        return self.states, self.pooled


@dataclass(frozen=True)
class Entry:
    """One evaluation of the model at every step: a window seen with a prompt.

    Attributes:
        window: the window's number on the canvas.
        prompt, negative: numbers among the prompts and negative prompts of the ``Conditioning``.
        mask: where in the window the entry counts and how much, ``(h, w)`` latent cells in [0, 1];
            None: everywhere.
        control: what a ControlNet is told of the window, a map for each control of the job,
            ``(K, 3, h·scale, w·scale)`` in [0, 1]; None: nothing.
    """

    window: int
    prompt: int
    negative: int = 0
    mask: torch.Tensor | None = None
    control: torch.Tensor | None = None


@dataclass(frozen=True)
class Conditioning:
    """The text embeddings of a job and who is told which.

    An entry whose mask is empty is dropped: it would change nothing and cost an evaluation.

    Attributes:
        prompts: what the model's ``encode`` made of the distinct prompts.
        negatives: the same of the distinct negative prompts.
        entries: at least one for each of the V windows; a window's first is its background.
        guidance: classifier-free guidance scale; at 1 or below no negative prompt is evaluated.

    Raises:
        ValueError: a window has no entry, or a cell of it is in none of its masks.
    """

    prompts: TextEmbedding
    negatives: TextEmbedding
    entries: tuple[Entry, ...]
    guidance: float

    def __post_init__(self) -> None:
        kept = tuple(entry for entry in self.entries if entry.mask is None or bool(entry.mask.any()))
        object.__setattr__(self, "entries", kept)
        for number in range(1 + max((entry.window for entry in self.entries), default=0)):
            _check_covered(number, self.entries_of(number))

    @classmethod
    def one_prompt_each(
        cls, prompts: TextEmbedding, negatives: TextEmbedding, numbers: Sequence[int], guidance: float
    ) -> Conditioning:
        """Return the conditioning where window i has the prompt ``numbers[i]`` and no other entry."""
        entries = tuple(Entry(window, prompt) for window, prompt in enumerate(numbers))
        return cls(prompts, negatives, entries, guidance)

    def entries_of(self, window: int) -> tuple[Entry, ...]:
        """Return the entries of a window, its background first."""
        return self._by_window.get(window, ())

    @property
    def backgrounds(self) -> list[int]:
        """The prompt of each window's background."""
        return [self.entries_of(window)[0].prompt for window in range(len(self._by_window))]

    @cached_property
    def _by_window(self) -> dict[int, tuple[Entry, ...]]:
        found: dict[int, tuple[Entry, ...]] = {}
        for entry in self.entries:
            found[entry.window] = (*found.get(entry.window, ()), entry)
        return found


def _check_covered(number: int, entries: tuple[Entry, ...]) -> None:
    if not entries:
        raise ValueError(f"window {number} has no entry")
    masks = [entry.mask for entry in entries if entry.mask is not None]
    if len(masks) == len(entries) and not bool(torch.stack(masks).sum(dim=0).all()):
        raise ValueError(f"window {number} has cells that are in none of its masks")
