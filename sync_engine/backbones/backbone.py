# SPDX-License-Identifier: GPL-3.0-or-later
"""What every model family has: a text encoder, an autoencoder and the folder that they come from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sync_engine.backbones.placement import keep_in_8_bits, lend_layers
from sync_engine.backbones.sequential_offload import SequentialOffload
from sync_engine.common.late import torch
from sync_engine.downloads import store
from sync_engine.interface.memory_plan import MemoryPlan
from sync_engine.interface.messages import Stage
from sync_engine.interface.wording import Message

COMPILED_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
COMPILED = "compiled"
"""Folder beside the models in which torch keeps compiled kernels; its own default is swept with /tmp."""
TILE_CELLS = 32
"""Side of the tiles, in the autoencoder's cells, that are decoded where memory is short."""


class Backbone:
    """A ``Model`` without its denoiser and its use of the text encoder, which is what families differ in."""

    channels: int
    window: int
    guided = True
    has_solvers = True
    tiny: Any = None
    _offloader: SequentialOffload | None = None
    _beside: tuple[torch.nn.Module, ...] = ()

    def __init__(self, folder: Path, parts: dict[str, Any], device: torch.device, dtype: torch.dtype) -> None:
        self.folder, self.device, self.dtype = folder, device, dtype
        self.notes: list[str] = []
        self.memory = MemoryPlan()
        self.vae = parts["vae"].eval().requires_grad_(False)
        self.text_encoder = parts["text_encoder"].eval().requires_grad_(False)
        self.tokenizer = parts["tokenizer"]
        self._scheduler = parts["scheduler"]
        config = self.vae.config
        self._blocks = config.get("block_out_channels") or config.get("encoder_block_out_channels")
        if self._blocks:
            self.vae.to(memory_format=torch.channels_last)
        else:  # a film's, whose weights have five dimensions
            self._blocks = config.dim_mult
        self.scale = 2 ** (len(self._blocks) - 1)

    # --- memory ----------------------------------------------------------------------------

    @property
    def denoiser(self) -> torch.nn.Module:
        """The network that is called at every step."""
        raise NotImplementedError

    @property
    def encoders(self) -> list[torch.nn.Module]:
        """The networks that read prompts."""
        return [self.text_encoder]

    def place(self, plan: MemoryPlan) -> None:
        """Put the model on its device as a plan says."""
        self.memory = plan
        self.vae.to(self.device)
        if plan.tiles:
            self.decode_in_tiles()
        if plan.weights == "fp8":
            keep_in_8_bits(self.denoiser, self.dtype)
        lent = [*self.encoders, self.denoiser] if plan.offload == "group" else []
        lent = list(self.encoders) if plan.stream_text else lent
        for module in lent:
            lend_layers(module, self.device)
        if plan.offload == "model":
            encoders = [] if plan.stream_text else self.encoders
            self._offloader = SequentialOffload(self.device, [encoders, [self.denoiser]])
        elif plan.offload == "none":
            for module in (*self.encoders, self.denoiser):
                module.to(self.device)

    def offload_for(self, stage: Stage) -> None:
        """With offloading: leave on the device only what a stage calls."""
        if self._offloader is None:
            return
        encoders, denoiser = self._offloader.groups
        called = {Stage.ENCODE: encoders, Stage.DENOISE: denoiser}
        self._offloader.bring(called.get(stage, []))

    def place_beside_denoiser(self, modules: Sequence[torch.nn.Module]) -> None:
        """Let modules, ControlNets, be on the device when the denoiser is; those before them need not be."""
        if self._offloader is None:
            for module in modules:
                module.to(self.device)
            return
        self._offloader.leave(self._beside)
        self._offloader.join(self._offloader.groups[1], modules)
        self._beside = tuple(modules)

    def compile(self) -> None:
        """Have torch compile the denoiser's repeated blocks, on a CUDA device; its work stays on the disk.

        A network of equal blocks is compiled once for all of them, much sooner than as a whole.
        """
        if self.device.type != "cuda":
            self.notes.append(
                Message(
                    "compile was left out: it is for CUDA devices, not for {device}.", device=self.device.type
                )
            )
        elif (self.memory.weights, self.memory.offload) != ("full", "none"):
            self.notes.append("compile was left out: the weights do not stay on the GPU as they are.")
        else:
            os.environ.setdefault(COMPILED_VARIABLE, str(store.root() / COMPILED))
            denoiser: Any = self.denoiser
            if getattr(denoiser, "_repeated_blocks", None):
                denoiser.compile_repeated_blocks()
            else:
                denoiser.compile()

    def unknown_words(self, prompt: str) -> list[str]:
        """Return the words of a prompt that the tokenizer has never seen."""
        unknown = self.tokenizer.unk_token_id
        if unknown is None or unknown == self.tokenizer.eos_token_id:
            return []  # a byte-pair tokenizer spells every word
        words = dict.fromkeys(word.strip(".,;:!?()\"'") for word in prompt.split())
        return [w for w in words if w and unknown in self.tokenizer(w, add_special_tokens=False).input_ids]

    def cut_off(self, prompt: str) -> str:
        """Return the end of a prompt that the text encoder does not see; empty where all of it fits."""
        words = prompt.split()
        fit, beyond = 0, len(words) + 1
        while beyond - fit > 1:
            middle = (fit + beyond) // 2
            if self._tokens(" ".join(words[:middle])) <= self.max_tokens:
                fit = middle
            else:
                beyond = middle
        return " ".join(words[fit:])

    @property
    def max_tokens(self) -> int:
        """How many tokens of a prompt are read, those that mark its ends among them."""
        return self.tokenizer.model_max_length

    def _tokens(self, text: str) -> int:
        return len(self.tokenizer(text, truncation=False).input_ids)

    # --- pictures --------------------------------------------------------------------------

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents ``(N, C, h, w)`` to sRGB ``(N, 3, h·scale, w·scale)``, nominally in [-1, 1].

        Not clamped and differentiable, so that a loss on the picture keeps its gradient.
        """
        return _decode(self.vae, latents)

    def preview_decode(self, latents: torch.Tensor) -> torch.Tensor:
        """``decode`` with the tiny decoder where there is one: for looking at, not for keeping."""
        return self.decode(latents) if self.tiny is None else _decode(self.tiny, latents)

    def decode_in_tiles(self) -> bool:
        """Have the autoencoder work in small tiles from now on; False where it does so already."""
        if self.vae.use_tiling:
            return False
        self.vae.enable_tiling()
        self.vae.tile_latent_min_size = TILE_CELLS
        self.vae.tile_sample_min_size = TILE_CELLS * 2 ** (len(self._blocks) - 1)
        return True

    def encode_picture(self, picture: torch.Tensor) -> torch.Tensor:
        """Encode sRGB ``(N, 3, H, W)`` in [-1, 1] to latents as the denoiser sees them; differentiable."""
        output = self.vae.encode(picture.to(self.vae.dtype))
        encoded = output.latents if hasattr(output, "latents") else output.latent_dist.mode()
        shift = self.vae.config.get("shift_factor") or 0.0
        return ((encoded - shift) * self.vae.config.scaling_factor).to(picture.dtype)


def _decode(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    scaled = latents.to(vae.dtype) / vae.config.scaling_factor + (vae.config.get("shift_factor") or 0.0)
    scaled = scaled.contiguous(memory_format=torch.channels_last)
    return vae.decode(scaled, return_dict=False)[0].to(latents.dtype)
