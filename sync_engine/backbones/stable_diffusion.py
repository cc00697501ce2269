"""Stable Diffusion 1.x and 2.x, ε or v, full or tiny autoencoder; the draft model is one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sync_engine.backbones.backbone import Backbone
from sync_engine.sampling import Conditioning


class StableDiffusion(Backbone):
    """A text-conditioned latent U-Net with its text encoder and autoencoder."""

    def __init__(self, folder: Path, parts: dict[str, Any], device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(folder, parts, device, dtype)
        self.unet = parts["unet"].eval().requires_grad_(False).to(device)
        self.unet.to(memory_format=torch.channels_last)
        self.channels: int = self.unet.config.in_channels
        size = self.unet.config.sample_size
        self.window: int = size if isinstance(size, int) else size[0]

    # --- words ---------------------------------------------------------------------------

    @torch.no_grad()
    def encode(self, prompts: list[str]) -> Any:
        """Return the embeddings ``(P, L, D)`` of prompts, padded and cut to the encoder's length."""
        tokens = self.tokenizer(
            prompts,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        mask = None
        if getattr(self.text_encoder.config, "use_attention_mask", False):
            mask = tokens.attention_mask.to(self.device)
        return self.text_encoder(tokens.input_ids.to(self.device), attention_mask=mask)[0].to(self.dtype)

    # --- the denoiser ----------------------------------------------------------------------

    def scheduler(self, name: str, steps: int, cells: tuple[int, int] | None = None) -> Any:
        """Return a diffusers scheduler (``ddim`` or ``dpm``) with its timesteps set."""
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

        cls = {"ddim": DDIMScheduler, "dpm": DPMSolverMultistepScheduler}[name]
        # latents are not bounded by 1, but DDIM clips where a folder's own scheduler has no such setting
        scheduler = cls.from_config(self._scheduler.config, clip_sample=False)
        scheduler.set_timesteps(steps)
        return scheduler

    def predict(
        self, windows: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning, index: list[int]
    ) -> torch.Tensor:
        """Return the guided prediction for windows ``(N, C, h, w)``, in their own precision."""
        positive = conditioning.prompts[index]
        noisy = windows.to(self.dtype).contiguous(memory_format=torch.channels_last)
        if conditioning.guidance <= 1.0:
            return self._unet(noisy, timestep, positive).to(windows.dtype)
        negative = conditioning.negative[[0] * len(index)]
        both = self._unet(torch.cat([noisy, noisy]), timestep, self._join(negative, positive))
        without, with_prompt = both.to(windows.dtype).chunk(2)
        return without + conditioning.guidance * (with_prompt - without)

    def _join(self, first: Any, second: Any) -> Any:
        return torch.cat([first, second])

    def _unet(self, noisy: torch.Tensor, timestep: torch.Tensor, text: Any) -> torch.Tensor:
        return self.unet(noisy, timestep, encoder_hidden_states=text, return_dict=False)[0]
