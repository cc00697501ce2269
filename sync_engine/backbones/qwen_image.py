# SPDX-License-Identifier: GPL-3.0-or-later
"""Qwen-Image: a transformer of two streams, a language model that also sees, a film's autoencoder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from sync_engine.backbones.flow import FLOW_SCHEDULERS, QWEN_TOKENIZERS, FlowTransformer
from sync_engine.backbones.model import Model
from sync_engine.catalog.families import Family, Loaded, LoraNaming, SingleFile
from sync_engine.common.late import no_grad, torch
from sync_engine.prompting.conditioning import TextEmbedding

PATCH = 2
"""Latent cells along each side of one token."""
TEMPLATE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, "
    "spatial relationships of the objects and background:<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n"
    "<|im_start|>assistant\n"
)
TEMPLATE_TOKENS = 34
"""Tokens before the prompt, which the network was not trained to see."""
FEW_STEPS_SOLVER = "euler-trailing"
"""The solver's name that asks for the schedule of Lightning LoRAs."""
FEW_STEPS_SHIFT = math.log(3)


class QwenImage(FlowTransformer):
    """Qwen-Image (Alibaba 2025), 2512 and the first, with Lightning LoRAs or without.

    Raises:
        ModelNotAvailable: the parts of the folder do not fit each other.
    """

    has_solvers = True
    chats = False
    takes_blocks = True

    def __init__(
        self, folder: Path, parts: dict[str, Any], device: torch.device, dtype: torch.dtype, window: int
    ) -> None:
        super().__init__(folder, parts, device, dtype, window)
        self.channels = self.vae.config.z_dim
        self.window -= self.window % PATCH
        wanted = self.transformer.config.joint_attention_dim
        given = self.text_encoder.config.get_text_config().hidden_size
        self._check_text(wanted, given)
        statistics = (self.vae.config.latents_mean, self.vae.config.latents_std)
        self._mean, self._deviation = (torch.tensor(values).view(1, -1, 1, 1) for values in statistics)

    # --- words ---------------------------------------------------------------------------

    def _tokens(self, text: str) -> int:
        return len(self.tokenizer(TEMPLATE.format(text), truncation=False).input_ids) - TEMPLATE_TOKENS

    @no_grad
    def encode(self, prompts: list[str]) -> TextEmbedding:
        """Return the language model's last hidden states of prompts, without the words around them."""
        found = []
        for prompt in prompts:
            ids = self.tokenizer(TEMPLATE.format(prompt), return_tensors="pt").input_ids
            ids = ids[:, : TEMPLATE_TOKENS + self.max_tokens].to(self.device)
            output = self.text_encoder.base_model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                output_hidden_states=True,
                use_cache=False,
            )
            found.append(output.hidden_states[-1][0, TEMPLATE_TOKENS:].to(self.dtype))
        return TextEmbedding(tuple(found))

    # --- the denoiser ----------------------------------------------------------------------

    def scheduler(self, name: str, steps: int, cells: tuple[int, int] | None = None) -> Any:
        """Return Euler's scheduler; with the name ``euler-trailing`` the levels of Lightning LoRAs."""
        if name != FEW_STEPS_SOLVER:
            return super().scheduler(name, steps, cells)
        from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

        scheduler: Any = FlowMatchEulerDiscreteScheduler.from_config(
            self._scheduler.config, shift_terminal=None, use_dynamic_shifting=True
        )
        scheduler.set_timesteps(sigmas=torch.linspace(1.0, 1 / steps, steps).tolist(), mu=FEW_STEPS_SHIFT)
        return scheduler

    def _shift(self, height: int, width: int, steps: int) -> float:
        from diffusers.pipelines.qwenimage.pipeline_qwenimage import calculate_shift

        config = self._scheduler.config
        usual = {"base_image_seq_len": 256, "max_image_seq_len": 4096, "base_shift": 0.5, "max_shift": 1.15}
        tokens = (height // PATCH) * (width // PATCH)
        return calculate_shift(tokens, *(config.get(name, value) for name, value in usual.items()))

    def _velocity(
        self,
        noisy: torch.Tensor,
        times: torch.Tensor,
        text: TextEmbedding,
        blocks: dict[int, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        number, _, height, width = noisy.shape
        states, mask = padded(text.states)
        packed = torch.nn.functional.pixel_unshuffle(noisy, PATCH).flatten(2).transpose(1, 2)
        velocity = self.transformer(
            hidden_states=packed,
            timestep=times / 1000,
            encoder_hidden_states=states,
            encoder_hidden_states_mask=mask,
            img_shapes=[[(1, height // PATCH, width // PATCH)]] * number,
            controlnet_block_samples=blocks and [blocks[layer] for layer in sorted(blocks)],
            return_dict=False,
        )[0]
        tokens = velocity.transpose(1, 2).reshape(number, -1, height // PATCH, width // PATCH)
        return torch.nn.functional.pixel_shuffle(tokens, PATCH)

    def _guided(self, with_prompt: torch.Tensor, without: torch.Tensor, scale: float) -> torch.Tensor:
        """Return the guided velocity, each token of it as long as the one with the prompt."""
        mixed = super()._guided(with_prompt, without, scale)
        unpacked, wanted = (torch.nn.functional.pixel_unshuffle(part, PATCH) for part in (mixed, with_prompt))
        longer = wanted.norm(dim=1, keepdim=True) / unpacked.norm(dim=1, keepdim=True)
        return torch.nn.functional.pixel_shuffle(unpacked * longer, PATCH)

    # --- pictures --------------------------------------------------------------------------

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents ``(N, 16, h, w)`` to sRGB ``(N, 3, 8·h, 8·w)``: each a film of one frame."""
        scaled = latents * self._deviation.to(latents) + self._mean.to(latents)
        frames = self.vae.decode(scaled.to(self.vae.dtype)[:, :, None], return_dict=False)[0]
        return frames[:, :, 0].to(latents.dtype)

    def decode_in_tiles(self) -> bool:
        """Have the autoencoder work in small tiles from now on; False where it does so already."""
        if self.vae.use_tiling:
            return False
        self.vae.enable_tiling()
        return True

    def encode_picture(self, picture: torch.Tensor) -> torch.Tensor:
        """Encode sRGB ``(N, 3, H, W)`` in [-1, 1] to latents as the denoiser sees them; differentiable."""
        frames = picture.to(self.vae.dtype)[:, :, None]
        encoded = self.vae.encode(frames).latent_dist.mode()[:, :, 0].to(picture.dtype)
        return (encoded - self._mean.to(encoded)) / self._deviation.to(encoded)


def padded(states: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return texts as one ``(N, L, D)``, and which of its tokens are words; None where all are."""
    lengths = [len(state) for state in states]
    together = torch.nn.utils.rnn.pad_sequence(list(states), batch_first=True)
    if len(set(lengths)) == 1:
        return together, None
    words = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return together, words.to(together.device)


def _build(loaded: Loaded) -> Model:
    return QwenImage(loaded.folder, loaded.parts, loaded.device, loaded.dtype, loaded.window)


FAMILY = Family(
    name="Qwen-Image",
    pipelines=("QwenImagePipeline",),
    parts={
        "vae": ("AutoencoderKLQwenImage",),
        "text_encoder": ("Qwen2_5_VLForConditionalGeneration",),
        "tokenizer": QWEN_TOKENIZERS,
        "transformer": ("QwenImageTransformer2DModel",),
        "scheduler": FLOW_SCHEDULERS,
    },
    denoiser="transformer",
    predictions=("flow",),
    build=_build,
    window=1024,
    defaults=lambda folder: (50, 4.0),
    loras=LoraNaming(kind="Qwen-Image", names=r"transformer_blocks[._]\d+[._](img|txt)_(mlp|mod)"),
    single_file=SingleFile(
        marks=("img_in.weight", "transformer_blocks.0.img_mlp."),
        text=r"^txt_in\.weight$",
        bases={3584: "qwen-image"},
        whole=False,
    ),
    half_precision=False,
    window_bytes=738.0,
    decoding_bytes=3460.0,
    comparing_bytes=4310.0,
)
