# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of every model: what the loop, the canvases and the job may ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sync_engine.common.late import torch
from sync_engine.interface.memory_plan import MemoryPlan
from sync_engine.interface.messages import Stage
from sync_engine.prompting.conditioning import Conditioning, Entry, TextEmbedding


@dataclass(frozen=True)
class Residuals:
    """What ControlNets add inside a U-Net for a batch of N entries (Zhang et al. 2023).

    Of a guided batch they are 2·N where the ControlNet is told the prompts too: without the prompt, with it.

    Attributes:
        down: one ``(N, C_i, h_i, w_i)`` for each skip connection, in the network's order.
        middle: ``(N, C, h, w)`` for the block at the bottom.
    """

    down: tuple[torch.Tensor, ...]
    middle: torch.Tensor

    def for_guided(self, count: int) -> Residuals:
        """Return them for both halves of a guided batch of so many entries."""
        if len(self.middle) == 2 * count:
            return self
        return Residuals(tuple(torch.cat([part, part]) for part in self.down), self.middle.repeat(2, 1, 1, 1))

    def __add__(self, other: Any) -> Residuals:
        """Return what both add."""
        down = tuple(mine + theirs for mine, theirs in zip(self.down, other.down, strict=True))
        return Residuals(down, self.middle + other.middle)


@dataclass(frozen=True)
class BlockResiduals:
    """What ControlNets add between the blocks of a transformer for a batch.

    Attributes:
        blocks: ``(N, L, D)`` after the block of a number; of a guided batch 2·N, with the prompt first.
    """

    blocks: dict[int, torch.Tensor]

    def __add__(self, other: Any) -> BlockResiduals:
        """Return what both add."""
        both = self.blocks.keys() | other.blocks.keys()
        return BlockResiduals(
            {
                number: sum(found.blocks[number] for found in (self, other) if number in found.blocks)
                for number in both
            }  # type: ignore[arg-type]  # a sum of tensors is one
        )


Added = Residuals | BlockResiduals
"""What ControlNets add to a network of one kind or the other."""


class Denoiser(Protocol):
    """The part of a model that the loop calls at every step."""

    def predict(
        self,
        windows: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
        residuals: Added | None = None,
    ) -> torch.Tensor:
        """Return the network's guided prediction (ε, v, velocity: see ``diffusion.prediction``).

        Args:
            windows: noisy latents ``(N, C, h, w)``, float32, scaled as the network knows them.
            timestep: the scheduler's, a scalar on the windows' device.
            conditioning: the texts and the guidance scale.
            entries: N entries of ``conditioning``: of which window each is, and with which prompt.
            residuals: what ControlNets add, computed once for both halves of a guided batch.

        Raises:
            ValueError: residuals for a network that has no place for them.
        """
        ...


class Model(Denoiser, Protocol):
    """A loaded text-to-picture model of any family.

    Attributes:
        folder: where it was loaded from.
        device, dtype: where it computes, and in which precision.
        scale: pixels per latent cell.
        channels: channels of the latents.
        window: side of the window that the network was trained on, in latent cells.
        guided: whether classifier-free guidance means something to the model.
        has_solvers: whether there is a choice of solvers.
        tiny: an ``AutoencoderTiny`` for the same latents, where there is one (``tiny_decoder``).
        notes: what the user should know of how the model was placed on its device.
        memory: how its weights are kept there.
    """

    folder: Path
    device: torch.device
    dtype: torch.dtype
    scale: int
    channels: int
    window: int
    guided: bool
    has_solvers: bool
    tiny: Any
    notes: list[str]
    memory: MemoryPlan

    @property
    def denoiser(self) -> torch.nn.Module:
        """The network that is called at every step."""
        ...

    def encode(self, prompts: list[str]) -> TextEmbedding:
        """Return the embeddings of P prompts, each cut to the text encoder's length."""
        ...

    def cut_off(self, prompt: str) -> str:
        """Return the end of a prompt that the text encoder does not see; empty where all of it fits."""
        ...

    def unknown_words(self, prompt: str) -> list[str]:
        """Return the words of a prompt that the tokenizer has never seen."""
        ...

    def scheduler(self, name: str, steps: int, cells: tuple[int, int] | None = None) -> Any:
        """Return a diffusers scheduler with its timesteps set.

        Args:
            name: a solver, see ``schedulers.build``.
            steps: denoising steps.
            cells: height and width of the windows in latent cells; by default the model's own.
        """
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents ``(N, C, h, w)`` to sRGB ``(N, 3, h·scale, w·scale)``, nominally in [-1, 1].

        Not clamped and differentiable, so that a loss on the picture keeps its gradient.
        """
        ...

    def preview_decode(self, latents: torch.Tensor) -> torch.Tensor:
        """``decode`` with the tiny decoder where there is one: for looking at, not for keeping."""
        ...

    def decode_in_tiles(self) -> bool:
        """Have ``decode`` work in small tiles from now on; False where it does so already."""
        ...

    def encode_picture(self, picture: torch.Tensor) -> torch.Tensor:
        """Encode sRGB ``(N, 3, H, W)`` in [-1, 1] to latents as the denoiser sees them; differentiable."""
        ...

    def place(self, plan: MemoryPlan) -> None:
        """Put the model on its device as a plan says."""
        ...

    def offload_for(self, stage: Stage) -> None:
        """With offloading: leave on the device only what a stage calls."""
        ...

    def place_beside_denoiser(self, modules: Sequence[torch.nn.Module]) -> None:
        """Let modules, ControlNets, be on the device when the denoiser is; those before them need not be."""
        ...

    def compile(self) -> None:
        """Have torch compile the denoiser's repeated blocks, on a CUDA device: slow at first, then faster."""
        ...
