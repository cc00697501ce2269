# SPDX-License-Identifier: GPL-3.0-or-later
"""Two savings in diffusers' U-Nets: what both halves of a guided batch share, and a layout that stays.

Neither changes what a network computes, apart from rounding. How much they save is in
``docs/experiments/2026-11-27-benchmarks.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sync_engine.common.late import torch


class SharedStem:
    """Lets a U-Net compute once what classifier-free guidance would have it compute twice.

    A guided batch holds every window twice, without and with the prompt. Until the first layer that reads the
    prompt both halves are the same numbers: the first convolutions and, where the first block has a
    transformer, its attention among all cells, the dearest of the network. Inside ``guided()`` these layers
    see one half and hand back their answer twice.

    Networks that mix the prompt into the timestep (the pooled text of SDXL, class labels) share nothing.

    Args:
        unet: a diffusers ``UNet2DConditionModel``; the ``forward`` of some of its modules is replaced, their
            names and weights stay.
    """

    def __init__(self, unet: Any) -> None:
        self._guided = False
        for module in _before_the_prompt(unet):
            module.forward = partial(self._once, module.forward)

    @contextmanager
    def guided(self) -> Iterator[None]:
        """Say that the second half of the batch repeats the first."""
        self._guided = True
        try:
            yield
        finally:
            self._guided = False

    def _once(
        self, forward: Callable[..., torch.Tensor], first: torch.Tensor, *rest: Any, **named: Any
    ) -> torch.Tensor:
        if not self._guided:
            return forward(first, *rest, **named)
        whole = len(first)
        halves = {name: _half_of(value, whole) for name, value in named.items()}
        answer = forward(first[: whole // 2], *(_half_of(value, whole) for value in rest), **halves)
        return torch.cat([answer, answer])


def keep_layout(unet: Any) -> None:
    """Let a U-Net's transformers hand on their pictures channels last, as the convolutions want them.

    diffusers copies every one to channels first, and the next convolution copies it back.
    """
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    for module in unet.modules():
        if isinstance(module, Transformer2DModel) and module.is_input_continuous:
            module._get_output_for_continuous_inputs = partial(_channels_last_output, module)  # type: ignore[method-assign]


def _before_the_prompt(unet: Any) -> list[torch.nn.Module]:
    """Return the costly modules whose input does not depend on the prompt yet, in order."""
    if unet.config.addition_embed_type or unet.config.class_embed_type or unet.config.encoder_hid_dim_type:
        return []
    found = [unet.conv_in]
    for block in unet.down_blocks:
        if getattr(block, "has_cross_attention", False):
            found.append(block.resnets[0])
            first = block.attentions[0].transformer_blocks[0]
            return found if first.only_cross_attention else [*found, first.attn1]
        if type(block).__name__ != "DownBlock2D":
            return found
        found += [*block.resnets, *(block.downsamplers or [])]
    return found


def _half_of(value: Any, whole: int) -> Any:
    batched = isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) == whole
    return value[: whole // 2] if batched else value


def _channels_last_output(
    transformer: Any,
    hidden_states: torch.Tensor,
    residual: torch.Tensor,
    batch_size: int,
    height: int,
    width: int,
    inner_dim: int,
) -> torch.Tensor:
    """Stand in for the method of the same arguments in ``Transformer2DModel``."""

    def picture(tokens: torch.Tensor) -> torch.Tensor:
        return tokens.reshape(batch_size, height, width, -1).permute(0, 3, 1, 2)

    if transformer.use_linear_projection:
        return picture(transformer.proj_out(hidden_states)) + residual
    return transformer.proj_out(picture(hidden_states)) + residual
