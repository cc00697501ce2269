"""Stable Diffusion 1.x and 2.x, ε or v, full or tiny autoencoder; the draft model is one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sync_engine.sampling import Conditioning


class StableDiffusion:
    """A text-conditioned latent U-Net with its text encoder and autoencoder.

    Attributes:
        window: side of the window that the network was trained on, in latent cells.
        scale: pixels per latent cell.
        channels: channels of the latents.
        folder: where the model was loaded from.
    """

    def __init__(self, folder: Path, parts: dict[str, Any], device: torch.device, dtype: torch.dtype) -> None:
        self.folder, self.device, self.dtype = folder, device, dtype
        self.unet = parts["unet"].eval().requires_grad_(False)
        self.vae = parts["vae"].eval().requires_grad_(False)
        self.text_encoder = parts["text_encoder"].eval().requires_grad_(False)
        self.tokenizer = parts["tokenizer"]
        self._scheduler = parts["scheduler"]
        for module in (self.unet, self.vae, self.text_encoder):
            module.to(device)
        self.unet.to(memory_format=torch.channels_last)
        self.vae.to(memory_format=torch.channels_last)
        self.channels: int = self.unet.config.in_channels
        size = self.unet.config.sample_size
        self.window: int = size if isinstance(size, int) else size[0]
        blocks = self.vae.config.get("block_out_channels") or self.vae.config.encoder_block_out_channels
        self.scale = 2 ** (len(blocks) - 1)

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

    def unknown_words(self, prompt: str) -> list[str]:
        """Return the words of a prompt that the tokenizer has never seen."""
        unknown = self.tokenizer.unk_token_id
        if unknown is None or unknown == self.tokenizer.eos_token_id:
            return []  # a byte-pair tokenizer spells every word
        words = dict.fromkeys(word.strip(".,;:!?()\"'") for word in prompt.split())
        return [w for w in words if w and unknown in self.tokenizer(w, add_special_tokens=False).input_ids]

    # --- the denoiser ----------------------------------------------------------------------

    def scheduler(self, name: str, steps: int) -> Any:
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

    # --- pictures --------------------------------------------------------------------------

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents ``(N, C, h, w)`` to sRGB ``(N, 3, h·scale, w·scale)``, nominally in [-1, 1].

        Not clamped and differentiable, so that a loss on the picture keeps its gradient.
        """
        shift = self.vae.config.get("shift_factor") or 0.0
        scaled = latents.to(self.vae.dtype) / self.vae.config.scaling_factor + shift
        scaled = scaled.contiguous(memory_format=torch.channels_last)
        return self.vae.decode(scaled, return_dict=False)[0].to(latents.dtype)

    def encode_picture(self, picture: torch.Tensor) -> torch.Tensor:
        """Encode sRGB ``(N, 3, H, W)`` in [-1, 1] to latents as the denoiser sees them; differentiable."""
        output = self.vae.encode(picture.to(self.vae.dtype))
        encoded = output.latents if hasattr(output, "latents") else output.latent_dist.mode()
        shift = self.vae.config.get("shift_factor") or 0.0
        return ((encoded - shift) * self.vae.config.scaling_factor).to(picture.dtype)

    def latent_features(self) -> torch.nn.Module | None:
        """Return the model's own perceptual net on latents, where its folder has one."""
        folder = self.folder / "perceptual"
        if not (folder / "config.json").is_file():
            return None
        from sync_engine.perceptual_net import LatentFeatures

        return LatentFeatures.from_folder(folder).to(self.device).eval().requires_grad_(False)
