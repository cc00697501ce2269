# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable Diffusion 1.x and 2.x, ε or v, full or tiny autoencoder; the draft model is one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sync_engine.backbones import schedulers
from sync_engine.backbones.backbone import Backbone
from sync_engine.backbones.model import Added, Model, Residuals
from sync_engine.backbones.unet_savings import SharedStem, keep_layout
from sync_engine.catalog.families import Family, Loaded, LoraNaming, SingleFile, read_object
from sync_engine.catalog.few_steps import EMBEDDED_GUIDANCE, FEW_STEPS, FEW_STEPS_GUIDANCE, is_few_step
from sync_engine.common.late import no_grad, torch
from sync_engine.prompting.conditioning import Conditioning, Entry, TextEmbedding

U_NET = ("UNet2DConditionModel",)
AUTOENCODERS = ("AutoencoderKL", "AutoencoderTiny")
CLIP_TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend")
SCHEDULERS = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
)
"""Those whose noise keeps the variance and comes in 1000 levels, as these U-Nets were trained with."""
PREDICTIONS = ("epsilon", "v_prediction", "sample")
U_NET_LORAS = LoraNaming(
    kind="a U-Net",
    names=r"attn2|(down|up|mid|input|output|middle)_blocks?[._]",
    widths={768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "Stable Diffusion XL"},
)
U_NET_FILE = SingleFile(
    marks=("input_blocks.0.0.weight",),
    text=r"input_blocks\.\d+\.1\.transformer_blocks\.0\.attn2\.to_k\.weight$",
    bases={768: "sd-1.5", 1024: "sd-2-base"},
    whole=True,
)


class StableDiffusion(Backbone):
    """A text-conditioned latent U-Net with its text encoder and autoencoder."""

    def __init__(self, folder: Path, parts: dict[str, Any], device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(folder, parts, device, dtype)
        self.unet = parts["unet"].eval().requires_grad_(False)
        self.unet.to(memory_format=torch.channels_last)
        keep_layout(self.unet)
        self._stem = SharedStem(self.unet)
        self.channels: int = self.unet.config.in_channels
        size = self.unet.config.sample_size
        self.window: int = size if isinstance(size, int) else size[0]

    @property
    def denoiser(self) -> torch.nn.Module:
        """The U-Net."""
        return self.unet

    @property
    def evaluates_negative(self) -> bool:
        """Whether guidance is a second evaluation, with the negative prompt, and not told to the network."""
        return self.unet.config.get("time_cond_proj_dim") is None

    # --- words ---------------------------------------------------------------------------

    @no_grad
    def encode(self, prompts: list[str]) -> TextEmbedding:
        """Return the embeddings of prompts, padded and cut to the encoder's length."""
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
        states = self.text_encoder(tokens.input_ids.to(self.device), attention_mask=mask)[0]
        return TextEmbedding(states.to(self.dtype).unbind())

    # --- the denoiser ----------------------------------------------------------------------

    def scheduler(self, name: str, steps: int, cells: tuple[int, int] | None = None) -> Any:
        """Return a diffusers scheduler with its timesteps set; for the names see ``schedulers.build``."""
        return schedulers.build(name, self._scheduler, steps)

    def predict(
        self,
        windows: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
        residuals: Added | None = None,
    ) -> torch.Tensor:
        """Return the guided prediction for windows ``(N, C, h, w)``, in their own precision.

        A consistency model (LCM, Luo et al. 2023) was distilled from guided predictions and is told the
        guidance: one evaluation at any scale, and no negative prompt.
        """
        if residuals is not None and not isinstance(residuals, Residuals):
            raise ValueError("a U-Net has no place for the residuals of a transformer")
        text = conditioning.prompts.pick([entry.prompt for entry in entries])
        noisy = windows.to(self.dtype).contiguous(memory_format=torch.channels_last)
        told = self.unet.config.get("time_cond_proj_dim")
        if told is not None:
            guidance = self._embed_guidance(conditioning.guidance, told).expand(len(entries), -1)
            return self._unet(noisy, timestep, text, residuals, guidance).to(windows.dtype)
        if conditioning.guidance <= 1.0:
            return self._unet(noisy, timestep, text, residuals).to(windows.dtype)
        text = conditioning.negatives.pick([entry.negative for entry in entries]) + text
        with self._stem.guided():
            both_residuals = residuals and residuals.for_guided(len(entries))
            both = self._unet(torch.cat([noisy, noisy]), timestep, text, both_residuals)
        without, with_prompt = both.to(windows.dtype).chunk(2)
        return without + conditioning.guidance * (with_prompt - without)

    def _unet(
        self,
        noisy: torch.Tensor,
        timestep: torch.Tensor,
        text: TextEmbedding,
        residuals: Residuals | None = None,
        guidance: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return self.unet(
            noisy,
            timestep,
            encoder_hidden_states=torch.stack(text.states),
            added_cond_kwargs=self.added_conditions(noisy, text),
            timestep_cond=guidance,
            down_block_additional_residuals=residuals and residuals.down,
            mid_block_additional_residual=residuals and residuals.middle,
            return_dict=False,
        )[0]

    def added_conditions(self, noisy: torch.Tensor, text: TextEmbedding) -> dict[str, torch.Tensor] | None:
        """Return what else the U-Net is told of a batch."""
        return None

    def _embed_guidance(self, scale: float, size: int) -> torch.Tensor:
        """Return sines and cosines ``(1, size)`` of a guidance scale, as LCM was trained with (its w + 1)."""
        from diffusers.models.embeddings import get_timestep_embedding

        w = torch.tensor([(scale - 1) * 1000.0], device=self.device)
        return get_timestep_embedding(w, size).to(self.dtype)


def _build(loaded: Loaded) -> Model:
    return StableDiffusion(loaded.folder, loaded.parts, loaded.device, loaded.dtype)


def unet_defaults(folder: Path) -> tuple[int, float] | None:
    """Return the steps and the guidance of a folder whose U-Net is distilled; None for another."""
    scheduler = read_object(folder / "scheduler" / "scheduler_config.json")
    if not is_few_step(str(scheduler.get("_class_name")), scheduler):
        return None
    embedded = read_object(folder / "unet" / "config.json").get("time_cond_proj_dim") is not None
    return FEW_STEPS, EMBEDDED_GUIDANCE if embedded else FEW_STEPS_GUIDANCE


FAMILY = Family(
    name="Stable Diffusion 1.x and 2.x",
    pipelines=("StableDiffusionPipeline", "LatentConsistencyModelPipeline"),
    parts={
        "vae": AUTOENCODERS,
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": CLIP_TOKENIZERS,
        "unet": U_NET,
        "scheduler": SCHEDULERS,
    },
    denoiser="unet",
    predictions=PREDICTIONS,
    build=_build,
    defaults=unet_defaults,
    tiny_decoder="taesd",
    loras=U_NET_LORAS,
    single_file=U_NET_FILE,
    pipeline_options={"safety_checker": None, "feature_extractor": None},
    window_bytes=520.0,
    decoding_bytes=1536.0,
)
