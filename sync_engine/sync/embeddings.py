# SPDX-License-Identifier: GPL-3.0-or-later
"""Perceptual distances as embeddings: the squared distance of two embeddings is the loss.

LPIPS (Zhang et al. 2018) is a weighted squared difference of unit-normalised features,
averaged over positions and summed over layers. Written as an embedding it serves as distance
to one anchor as well as to the mean of many windows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import adaptive_avg_pool2d, interpolate, normalize, rms_norm

from sync_engine.sync.feature_nets import LAYOUT_WEIGHT, FeatureNet
from sync_engine.sync.method import SyncContext

Embed = Callable[[torch.Tensor], list[torch.Tensor]]
"""Clean latents ``(N, C, h, w)`` to feature maps whose squared difference is the distance."""

LAYOUT_GRID = 8


def distance(a: list[torch.Tensor], b: list[torch.Tensor]) -> torch.Tensor:
    """Return the distance ``(N,)`` of two embeddings: mean over positions, sum over layers.

    It is float32 where the embeddings are half as precise.
    """
    parts = [_SquaredLength.apply(x - y).mean(dim=(1, 2)) for x, y in zip(a, b, strict=True)]
    return torch.stack(parts).sum(dim=0)


def mean_features(layers: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the mean over the windows of an embedding, without its gradient."""
    return [_mean(layer.detach()) for layer in layers]


class _SquaredLength(torch.autograd.Function):
    """The sum of squares over the channels ``(N, h, w)``, float32 where the maps are half as precise.

    The gradient has the maps' precision; autograd's own would be float32, twice the memory to move.
    """

    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(maps)
        exact = torch.promote_types(maps.dtype, torch.float32)
        return torch.linalg.vector_norm(maps, dim=1, dtype=exact).square()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (maps,) = ctx.saved_tensors
        return maps * (2 * gradients[0])[:, None].to(maps.dtype)


def _mean(maps: torch.Tensor) -> torch.Tensor:
    """Return the mean ``(1, C, h, w)`` as a matrix product: a GPU is slow to sum over the first dimension."""
    number, channels, height, width = maps.shape
    flat = maps.permute(0, 2, 3, 1).reshape(number, -1)
    total = torch.mm(flat.new_ones(1, number), flat) / number
    return total.reshape(1, height, width, channels).permute(0, 3, 1, 2)


def lpips_embedding(
    model: Any, decode: Callable[[torch.Tensor], torch.Tensor], dtype: torch.dtype | None = None
) -> Embed:
    """Return the embedding whose distance equals LPIPS of the decoded windows.

    Args:
        model: from ``feature_nets.load_lpips``.
        decode: latents to pictures in [-1, 1].
        dtype: its net changes to this, where given, and the features are of it.
    """
    exact = model.lin0.model[-1].weight.dtype
    dtype = dtype or exact
    net = model.net.to(dtype=dtype, memory_format=torch.channels_last)
    weights = [_unit_weight(lin.model[-1].weight).to(dtype) for lin in model.lins]

    def embed(latents: torch.Tensor) -> list[torch.Tensor]:
        picture = model.scaling_layer(decode(latents).to(exact)).to(dtype, memory_format=torch.channels_last)
        return [_weighted_unit(layer, weight) for layer, weight in zip(net(picture), weights, strict=True)]

    return embed


def _unit_weight(linear: torch.Tensor) -> torch.Tensor:
    """Return what ``rms_norm`` is told for a layer whose squared differences LPIPS weighs by ``linear``."""
    return (linear.flatten().clamp(min=0) / linear.numel()).sqrt()


def _weighted_unit(layer: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return features of unit length over the channels, weighted: to a GPU one pass over the memory.

    ``lpips.normalize_tensor`` adds 1e-10 to the length, this its square to the mean square.
    """
    return rms_norm(layer.permute(0, 2, 3, 1), weight.shape, weight, 1e-20).permute(0, 3, 1, 2)


def latent_embedding(net: Any, layout: float = LAYOUT_WEIGHT) -> Embed:
    """Return the embedding of a model's own perceptual net on latents, and of their layout with a weight.

    The net's unit-length features do not hold how bright and how coloured a window is, so the mean latents
    of a coarse grid stand beside them.
    """

    def embed(latents: torch.Tensor) -> list[torch.Tensor]:
        features = [normalize(layer.float(), dim=1) for layer in net.features(latents)]
        return [*features, layout**0.5 * adaptive_avg_pool2d(latents.float(), LAYOUT_GRID)]

    return embed


def pooled(embed: Embed) -> Embed:
    """Return the embedding of what a window shows, not where: features averaged over positions."""
    return _averaged(embed, (2, 3))


def row_pooled(embed: Embed) -> Embed:
    """Return the embedding of what a window shows at which height: features averaged over its width."""
    return _averaged(embed, (3,))


def _averaged(embed: Embed, dimensions: tuple[int, ...]) -> Embed:
    return lambda latents: [layer.mean(dim=dimensions, keepdim=True) for layer in embed(latents)]


def halved(embed: Embed) -> Embed:
    """Return the embedding of the windows at half their resolution: a quarter of the cost."""

    def embed_half(latents: torch.Tensor) -> list[torch.Tensor]:
        return embed(interpolate(latents, scale_factor=0.5, mode="area"))

    return embed_half


def embedding(
    net: FeatureNet,
    context: SyncContext,
    decode: Callable[[torch.Tensor], torch.Tensor],
    dtype: torch.dtype,
    layout: float = LAYOUT_WEIGHT,
) -> Embed:
    """Return the embedding of a model's clean latents through a net.

    Args:
        net: which.
        context: the model, and what loads the net.
        decode: latents to pictures in [-1, 1], for a net that looks at pictures.
        dtype: the net's precision, where it looks at pictures.
        layout: weight of brightness and colours, see ``latent_embedding``.
    """
    loaded = context.nets.get(net, context.model, dtype)
    if net is FeatureNet.OWN:
        return latent_embedding(loaded, layout)
    if net is FeatureNet.LPIPS:
        return lpips_embedding(loaded, decode, dtype)
    own = latent_embedding(context.nets.get(FeatureNet.OWN, loaded, dtype), layout)

    def embed(latents: torch.Tensor) -> list[torch.Tensor]:
        return own(loaded.encode_picture(decode(latents).float()))

    return embed
