# SPDX-License-Identifier: GPL-3.0-or-later
"""ERNIE-Image and its Turbo: one stream of picture and text, with the autoencoder of FLUX.2."""

from __future__ import annotations

from pathlib import Path

from sync_engine.backbones.flow import FLOW_SCHEDULERS, QWEN_TOKENIZERS
from sync_engine.backbones.flux2_klein import Flux2Latents
from sync_engine.backbones.model import Model
from sync_engine.catalog.families import Family, Loaded
from sync_engine.common.late import no_grad, torch
from sync_engine.prompting.conditioning import TextEmbedding

NORM_EPSILON = 1e-5
"""Of the autoencoder's batch norm; its configuration says another, which it was not trained with."""


class ErnieImage(Flux2Latents):
    """ERNIE-Image (Baidu 2026). Its model that rewrites prompts is not used: the prompt is what was written.

    The text is the language model's last-but-one hidden state of the plain prompt.

    Raises:
        ModelNotAvailable: the parts of the folder do not fit each other.
    """

    chats = False
    norm_epsilon = NORM_EPSILON

    def _text_features(self) -> tuple[int, int]:
        return self.transformer.config.text_in_dim, self.text_encoder.config.get_text_config().hidden_size

    def _tokens(self, text: str) -> int:
        return len(self.tokenizer(text, truncation=False).input_ids)

    @property
    def max_tokens(self) -> int:
        """How many tokens of a prompt are read: as many as its tokenizer says."""
        return self.tokenizer.model_max_length

    @no_grad
    def encode(self, prompts: list[str]) -> TextEmbedding:
        """Return the language model's hidden states of prompts, each by itself, without padding."""
        found = []
        for prompt in prompts:
            ids = self.tokenizer(prompt, truncation=True, padding=False).input_ids
            ids = ids or [self.tokenizer.bos_token_id or 0]
            output = self.text_encoder.base_model(
                input_ids=torch.tensor([ids]).to(self.device), output_hidden_states=True, use_cache=False
            )
            found.append(output.hidden_states[-2][0].to(self.dtype))
        return TextEmbedding(tuple(found))

    def _shift(self, height: int, width: int, steps: int) -> float:
        return 0.0  # its schedule is the same for every size

    def _velocity(
        self,
        noisy: torch.Tensor,
        times: torch.Tensor,
        text: TextEmbedding,
        blocks: dict[int, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        lengths = torch.tensor([len(state) for state in text.states]).to(noisy.device)
        return self.transformer(
            hidden_states=noisy,
            timestep=times.to(noisy.dtype),
            text_bth=torch.nn.utils.rnn.pad_sequence(list(text.states), batch_first=True),
            text_lens=lengths,
            return_dict=False,
        )[0]


def _build(loaded: Loaded) -> Model:
    return ErnieImage(loaded.folder, loaded.parts, loaded.device, loaded.dtype, loaded.window)


def _defaults(folder: Path) -> tuple[int, float]:
    return (8, 1.0) if "turbo" in folder.name.lower() else (50, 4.0)


FAMILY = Family(
    name="ERNIE-Image",
    pipelines=("ErnieImagePipeline",),
    parts={
        "vae": ("AutoencoderKLFlux2",),
        "text_encoder": ("Mistral3Model",),
        "tokenizer": (*QWEN_TOKENIZERS, "LlamaTokenizerFast"),
        "transformer": ("ErnieImageTransformer2DModel",),
        "scheduler": FLOW_SCHEDULERS,
    },
    denoiser="transformer",
    predictions=("flow",),
    build=_build,
    window=1024,
    defaults=_defaults,
    half_precision=False,
    window_bytes=588.0,
    decoding_bytes=1536.0,
    comparing_bytes=3136.0,
)
