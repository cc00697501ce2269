"""What every model family has: a text encoder, an autoencoder and the folder that they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


class Backbone:
    """A loaded latent diffusion model without its denoiser, which is what families differ in.

    Attributes:
        folder: where the model was loaded from.
        scale: pixels per latent cell.
        channels: channels of the latents.
        window: side of the window that the network was trained on, in latent cells.
        guided: whether classifier-free guidance means something to the model.
        tiny: an ``AutoencoderTiny`` for the same latents, where there is one (``tiny_decoder``).
    """

    channels: int
    window: int
    guided = True
    tiny: Any = None

    def __init__(self, folder: Path, parts: dict[str, Any], device: torch.device, dtype: torch.dtype) -> None:
        self.folder, self.device, self.dtype = folder, device, dtype
        self.vae = parts["vae"].eval().requires_grad_(False).to(device)
        self.text_encoder = parts["text_encoder"].eval().requires_grad_(False).to(device)
        self.tokenizer = parts["tokenizer"]
        self._scheduler = parts["scheduler"]
        self.vae.to(memory_format=torch.channels_last)
        blocks = self.vae.config.get("block_out_channels") or self.vae.config.encoder_block_out_channels
        self.scale = 2 ** (len(blocks) - 1)

    def unknown_words(self, prompt: str) -> list[str]:
        """Return the words of a prompt that the tokenizer has never seen."""
        unknown = self.tokenizer.unk_token_id
        if unknown is None or unknown == self.tokenizer.eos_token_id:
            return []  # a byte-pair tokenizer spells every word
        words = dict.fromkeys(word.strip(".,;:!?()\"'") for word in prompt.split())
        return [w for w in words if w and unknown in self.tokenizer(w, add_special_tokens=False).input_ids]

    # --- pictures --------------------------------------------------------------------------

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents ``(N, C, h, w)`` to sRGB ``(N, 3, h·scale, w·scale)``, nominally in [-1, 1].

        Not clamped and differentiable, so that a loss on the picture keeps its gradient.
        """
        return _decode(self.vae, latents)

    def quick_decode(self, latents: torch.Tensor) -> torch.Tensor:
        """``decode`` with the tiny decoder where there is one: for looking at, not for keeping."""
        return self.decode(latents) if self.tiny is None else _decode(self.tiny, latents)

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


def _decode(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    scaled = latents.to(vae.dtype) / vae.config.scaling_factor + (vae.config.get("shift_factor") or 0.0)
    scaled = scaled.contiguous(memory_format=torch.channels_last)
    return vae.decode(scaled, return_dict=False)[0].to(latents.dtype)
