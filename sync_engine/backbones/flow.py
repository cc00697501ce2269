# SPDX-License-Identifier: GPL-3.0-or-later
"""What flow-matching transformers share: Euler steps with noise levels by the window's size, and guidance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sync_engine.backbones.backbone import Backbone
from sync_engine.backbones.model import Added, BlockResiduals
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.late import no_grad, torch
from sync_engine.interface.wording import Message, as_message
from sync_engine.prompting.conditioning import Conditioning, Entry, TextEmbedding

MAX_TOKENS = 512
QWEN_3 = ("Qwen3Model", "Qwen3ForCausalLM")
QWEN_TOKENIZERS = ("Qwen2Tokenizer", "Qwen2TokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend")
FLOW_SCHEDULERS = ("FlowMatchEulerDiscreteScheduler",)


class FlowTransformer(Backbone):
    """A transformer that predicts the velocity of rectified flow, ``v = noise − x0`` (Liu et al. 2022).

    Each window is a picture of its own to such a network: its positions begin at 0, and the shift of the
    noise levels follows from the window's cells. Positions on the whole canvas would leave the range of the
    training, give the text another distance in each window, and end where the tables of rotary embeddings
    end; a shift for the canvas's cells would add noise levels that one window's content never needs.

    Args:
        window: side of the windows in pixels.
    """

    has_solvers = False
    takes_blocks = False
    chats = True
    """Whether prompts are asked in the language model's chat, so that its tokenizer needs a template."""

    def __init__(
        self, folder: Path, parts: dict[str, Any], device: torch.device, dtype: torch.dtype, window: int
    ) -> None:
        super().__init__(folder, parts, device, dtype)
        self.transformer = parts["transformer"].eval().requires_grad_(False)
        self.channels: int = self.transformer.config.in_channels
        self.window = window // self.scale
        if self.chats and not self.tokenizer.chat_template:
            raise self._misfit("the tokenizer has no chat template")

    def _misfit(self, problem: str) -> ModelNotAvailable:
        return ModelNotAvailable(
            Message(
                "{folder}: {problem}, so its parts do not belong together.",
                folder=self.folder,
                problem=as_message(problem),
            ),
            "Fetch the model again.",
        )

    def _check_text(self, wanted: int, given: int) -> None:
        if wanted != given:
            raise self._misfit(
                Message(
                    "its transformer wants text of {wanted} features, its encoder gives {given}",
                    wanted=wanted,
                    given=given,
                )
            )

    @property
    def denoiser(self) -> torch.nn.Module:
        """The transformer."""
        return self.transformer

    @property
    def encoders(self) -> list[torch.nn.Module]:
        """The language model below its head, which is all that is called."""
        return [self.text_encoder.base_model]

    # --- words ---------------------------------------------------------------------------

    @property
    def max_tokens(self) -> int:
        """How many tokens of a prompt in its chat are read."""
        return MAX_TOKENS

    def _tokens(self, text: str) -> int:
        return len(self.tokenizer(self._chat(text, thinking=True), truncation=False).input_ids)

    def _chat(self, prompt: str, thinking: bool) -> str:
        """Return a prompt as a question in the language model's chat."""
        return self.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=thinking,
        )

    @no_grad
    def _hidden_states(self, prompts: list[str], thinking: bool) -> tuple[Any, torch.Tensor]:
        """Return the language model's hidden states of prompts asked in its chat, and which tokens are words.

        Args:
            prompts: P of them, each padded and cut to ``MAX_TOKENS``.
            thinking: whether the template leaves room for thoughts; each family was trained with one of both.
        """
        chats = [self._chat(prompt, thinking) for prompt in prompts]
        tokens = self.tokenizer(
            chats, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
        )
        mask = tokens.attention_mask.to(self.device)
        # the model below the language head: the head's logits would take a gigabyte and are not looked at
        output = self.text_encoder.base_model(
            input_ids=tokens.input_ids.to(self.device),
            attention_mask=mask,
            output_hidden_states=True,
            use_cache=False,
        )
        return output.hidden_states, mask.bool()

    # --- the denoiser ----------------------------------------------------------------------

    def scheduler(self, name: str, steps: int, cells: tuple[int, int] | None = None) -> Any:
        """Return diffusers' Euler scheduler for flow matching with its timesteps set.

        Args:
            name: not used: distilled models know Euler's steps, and on flows they are what DDIM is to
                diffusion, so that they serve the paper's method too.
            steps: denoising steps.
            cells: height and width of the windows in latent cells; by default the model's own.
        """
        from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

        scheduler: Any = FlowMatchEulerDiscreteScheduler.from_config(self._scheduler.config)
        height, width = cells or (self.window, self.window)
        sigmas = torch.linspace(1.0, 1 / steps, steps).tolist()
        scheduler.set_timesteps(sigmas=sigmas, mu=self._shift(height, width, steps))
        return scheduler

    def _shift(self, height: int, width: int, steps: int) -> float:
        """Return the shift mu of the noise levels for windows of so many cells."""
        raise NotImplementedError

    def predict(
        self,
        windows: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        entries: Sequence[Entry],
        residuals: Added | None = None,
    ) -> torch.Tensor:
        """Return the guided velocity for windows ``(N, C, h, w)``, in their own precision."""
        if residuals is not None and not (self.takes_blocks and isinstance(residuals, BlockResiduals)):
            raise ValueError("this transformer has no place for such residuals")
        blocks = residuals.blocks if isinstance(residuals, BlockResiduals) else None
        noisy = windows.to(self.dtype)
        times = timestep.to(self.device, torch.float32).expand(len(entries))
        text = conditioning.prompts.pick([entry.prompt for entry in entries])
        if not self.guided or conditioning.guidance <= 1.0:
            return self._velocity(noisy, times, text, blocks).to(windows.dtype)
        text += conditioning.negatives.pick([entry.negative for entry in entries])
        both = self._velocity(torch.cat([noisy, noisy]), times.repeat(2), text, blocks)
        with_prompt, without = both.to(windows.dtype).chunk(2)
        return self._guided(with_prompt, without, conditioning.guidance)

    def _guided(self, with_prompt: torch.Tensor, without: torch.Tensor, scale: float) -> torch.Tensor:
        """Return the guided velocity (Ho and Salimans 2022)."""
        return without + scale * (with_prompt - without)

    def _velocity(
        self,
        noisy: torch.Tensor,
        times: torch.Tensor,
        text: TextEmbedding,
        blocks: dict[int, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Return the network's velocity for windows at timesteps ``(N,)`` of 0 to 1000.

        ``blocks`` is what ControlNets add after them, only for a family whose ``takes_blocks`` is true.
        """
        raise NotImplementedError
