# SPDX-License-Identifier: GPL-3.0-or-later
"""The joint diffusion loop: many overlapping windows, one canvas, one scheduler step each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch

from sync_engine.backbones.model import Denoiser
from sync_engine.canvas import Canvas
from sync_engine.common.device import give_memory_back, is_out_of_memory
from sync_engine.common.errors import OutOfMemory
from sync_engine.diffusion.guides import StepGuide, residuals_of
from sync_engine.diffusion.prediction import NoiseLevel, levels
from sync_engine.diffusion.solvers import advance
from sync_engine.interface.wording import Message
from sync_engine.prompting.conditioning import Conditioning, Entry

COARSE_FROM = 0.4
"""After this share of the steps windows with latents of their own agree on what is coarse only: by then
they show the same things, and the mean of their details would be a blur."""


Predict = Callable[[torch.Tensor, list[int]], torch.Tensor]
"""Noisy windows and their places among this process's windows to clean windows, at the current timestep."""
Item = TypeVar("Item")


class SyncMethod(Protocol):
    """What a method does in a step: it may change windows and their clean predictions."""

    def __call__(
        self, step: int, windows: torch.Tensor, x0: torch.Tensor, rows: list[list[int]], predict: Predict
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Return (changed noisy windows or None if they stay, clean windows).

        ``rows`` are places among ``windows``; where several processes share a canvas, of those that this one
        has, so that a row may be empty.
        """
        ...


class Checkpoint(Protocol):
    """Where a loop keeps what it would go on from (``runtime/checkpoint.py``)."""

    def restore(
        self, scheduler: Any, generator: torch.Generator | None, like: dict[str, torch.Tensor]
    ) -> tuple[int, dict[str, torch.Tensor]] | None:
        """Return the first step to make and the tensors before it, if an earlier run left them."""
        ...

    def keep(
        self,
        step: int,
        tensors: dict[str, torch.Tensor],
        scheduler: Any,
        generator: torch.Generator | None,
        begun: int = 0,
    ) -> None:
        """Take what the loop has before ``step``; ``begun`` was its first."""
        ...


@dataclass(frozen=True)
class Step:
    """What ``on_step`` is told: ``step`` of ``steps`` are done, ``x0`` is the clean state now."""

    step: int
    steps: int
    x0: torch.Tensor


def no_sync(
    step: int, windows: torch.Tensor, x0: torch.Tensor, rows: list[list[int]], predict: Predict
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """MultiDiffusion (Bar-Tal et al. 2023): the windows meet in their overlap and nowhere else."""
    return None, x0


class WindowBatch:
    """How many windows the denoiser sees at once; halves when they do not fit into memory.

    Args:
        size: windows at once.
        on_note: told when the size is halved.
        check: called before each batch; may raise to stop.
    """

    def __init__(
        self,
        size: int,
        on_note: Callable[[str], None] = lambda note: None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.size = max(1, size)
        self._on_note, self._check = on_note, check

    def map(
        self,
        function: Callable[[torch.Tensor, list[Item]], torch.Tensor],
        windows: torch.Tensor,
        items: list[Item],
    ) -> torch.Tensor:
        """Apply ``function`` to windows and what belongs to each, in batches, and join what it returns."""
        done: list[torch.Tensor] = []
        start = 0
        while start < len(items):
            self._check()
            part = slice(start, start + self.size)
            result = self._try(function, windows[part], items[part])
            if result is None:
                self.size //= 2
                self._on_note(Message("Memory is short: {size} windows at a time.", size=self.size))
                give_memory_back()
            else:
                done.append(result)
                start += self.size
        return torch.cat(done)

    def _try(
        self,
        function: Callable[[torch.Tensor, list[Item]], torch.Tensor],
        windows: torch.Tensor,
        items: list[Item],
    ) -> torch.Tensor | None:
        """Return what the function returns, or None where a smaller batch may fit.

        The error ends here: as long as it lives, its traceback holds the tensors that took the memory.
        """
        try:
            return function(windows, items)
        except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if self.size == 1:
                raise OutOfMemory(
                    "There is not enough memory for a single window of this model.",
                    "Close other programs, choose a smaller model, or set the device to cpu.",
                ) from error
            return None


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    canvas: Canvas,
    scheduler: Any,
    state: torch.Tensor,
    conditioning: Conditioning,
    sync: SyncMethod = no_sync,
    batch: WindowBatch | None = None,
    on_step: Callable[[Step], None] | None = None,
    start: int = 0,
    generator: torch.Generator | None = None,
    guides: Sequence[StepGuide] = (),
    checkpoint: Checkpoint | None = None,
) -> torch.Tensor:
    """Denoise a state jointly in all windows of a canvas and return its clean latents.

    Every timestep predicts the clean x0 of each window, lets the method bring them together,
    fuses them on the canvas and makes one scheduler step there (MultiDiffusion, Bar-Tal et al.
    2023, eq. 5, written in x0), so that multistep and stochastic solvers work unchanged.

    Args:
        denoiser: predicts from noisy windows.
        canvas: gathers and fuses.
        scheduler: a diffusers scheduler whose timesteps are set.
        state: initial noise in the canvas's layout, float32, on the denoiser's device, times the
            scheduler's ``solvers.initial_scale``.
        conditioning: the entries of every window, text embeddings and guidance scale.
        sync: what the method does in a step.
        batch: how many windows at once.
        on_step: called after each step; may raise to stop.
        start: number of the first timestep; the state must be noisy to just that level.
        generator: on the CPU; draws the noise that stochastic solvers add, one field for the whole canvas.
        guides: change what the model sees at each step.
        checkpoint: keeps the state between steps, and may have one to go on from.
    """
    batch = batch or WindowBatch(16)
    noise_levels = levels(scheduler)
    if start and hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    begun = start
    kept = checkpoint.restore(scheduler, generator, {"state": state}) if checkpoint is not None else None
    if kept is not None:
        start, state = kept[0], kept[1]["state"]

    def draw_noise() -> torch.Tensor:
        if generator is None:
            raise ValueError(f"{scheduler.__class__.__name__} adds noise and needs a generator")
        return canvas.noise(state.shape[1], generator).to(state)

    numbers = canvas.numbers
    places = {number: place for place, number in enumerate(numbers)}
    rows = [
        [places[number] for number in row if number in places]
        for row in split_rows_by_prompt(canvas.rows, conditioning.backgrounds)
    ]
    timesteps = scheduler.timesteps.to(state.device)  # once: a copy in a step would wait for a GPU
    for step, timestep in enumerate(timesteps[start:], start):
        level = noise_levels[step]
        for guide in guides:
            state = guide.change_state(step, level, state)
        predict = x0_predictor(denoiser, timestep, level, conditioning, batch, step, guides, numbers)
        windows = canvas.gather(state)
        x0 = predict(windows, list(range(len(windows))))
        moved, x0 = sync(step, windows, x0, rows, predict)
        if moved is not None:
            state = canvas.fuse(moved)
        canvas_x0 = canvas.fuse(x0, coarse=step >= COARSE_FROM * len(scheduler.timesteps))
        state = advance(scheduler, step, level, canvas_x0, state, draw_noise)
        if checkpoint is not None and not any(guide.holds_state(step + 1) for guide in guides):
            checkpoint.keep(step + 1, {"state": state}, scheduler, generator, begun)
        if on_step is not None:
            on_step(Step(step + 1, len(scheduler.timesteps), canvas_x0))
    return state


def split_rows_by_prompt(rows: list[list[int]], index: list[int]) -> list[list[int]]:
    """Split each row of windows by prompt: windows that show different things are not compared."""
    return [
        [number for number in row if index[number] == prompt]
        for row in rows
        for prompt in dict.fromkeys(index[number] for number in row)
    ]


def x0_predictor(
    denoiser: Denoiser,
    timestep: Any,
    level: NoiseLevel,
    conditioning: Conditioning,
    batch: WindowBatch,
    step: int = 0,
    guides: Sequence[StepGuide] = (),
    numbers: Sequence[int] | None = None,
) -> Predict:
    """Return the function from noisy windows and their places to clean windows at one timestep.

    It evaluates every entry of these windows, as many at once as the batch says, and combines them by mask.
    ``numbers`` says which window of the canvas each place is; left out, all have the place of their number.
    """

    def evaluate(windows: torch.Tensor, entries: list[Entry]) -> torch.Tensor:
        seen = level.input(windows)
        residuals = residuals_of(guides, step, timestep, seen, conditioning, entries)
        prediction = denoiser.predict(seen, timestep, conditioning, entries, residuals)
        return level.to_x0(prediction, windows)

    def predict(windows: torch.Tensor, places: list[int]) -> torch.Tensor:
        groups = [conditioning.entries_of(place if numbers is None else numbers[place]) for place in places]
        entries = [entry for group in groups for entry in group]
        if len(entries) > len(groups):
            pairs = zip(windows.split(1), groups, strict=True)
            windows = torch.cat([window for window, group in pairs for _ in group])
        for guide in guides:
            windows = guide.change_windows(step, level, windows, entries)
        x0 = batch.map(evaluate, windows, entries)
        for guide in guides:
            guide.see_clean(step, level, windows, x0, entries)
        return combine(x0, groups)

    return predict


def combine(x0: torch.Tensor, groups: Sequence[Sequence[Entry]]) -> torch.Tensor:
    """Return the clean windows ``(V, C, h, w)`` of the clean entries ``(N, C, h, w)`` of V groups.

    ``x0 = Σ m_r x0_r / Σ m_r`` over a window's entries (MultiDiffusion, Bar-Tal et al. 2023, region-based,
    eq. 8, written in x0). What has one entry is that entry.
    """
    if len(x0) == len(groups):
        return x0
    parts = zip(x0.split([len(group) for group in groups]), groups, strict=True)
    return torch.cat([_weighted_mean(part, group) if len(group) > 1 else part for part, group in parts])


def _weighted_mean(x0: torch.Tensor, entries: Sequence[Entry]) -> torch.Tensor:
    everywhere = x0.new_ones(x0.shape[-2:])
    masks = [everywhere if entry.mask is None else entry.mask.to(x0) for entry in entries]
    weight = torch.stack(masks)[:, None]
    return (x0 * weight).sum(dim=0, keepdim=True) / weight.sum(dim=0, keepdim=True)
