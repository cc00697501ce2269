# SPDX-License-Identifier: GPL-3.0-or-later
"""Perceptual distances as embeddings: the squared distance of two embeddings is the loss.

LPIPS (Zhang et al. 2018) is a weighted squared difference of unit-normalised features,
averaged over positions and summed over layers. Written as an embedding it serves as distance
to one anchor as well as to the mean of many windows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import adaptive_avg_pool2d, interpolate, normalize, rms_norm

from sync_engine.common.errors import ModelNotAvailable

Embed = Callable[[torch.Tensor], list[torch.Tensor]]
"""Clean latents ``(N, C, h, w)`` to feature maps whose squared difference is the distance."""

LAYOUT_GRID = 8
LAYOUT_WEIGHT = 0.2
"""Of the layout beside the perceptual net's features: at 1, colours were pulled far harder than shapes."""
PLATE_LAYOUT_WEIGHT = 0.05
"""The same of a plate, whose colours agree much sooner than those of a world."""
WEIGHTS_VARIABLE = "SYNCSCAPE_LPIPS"


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


def lpips_weights(net: str) -> Path | None:
    """Return the file with the weights of ``lpips.LPIPS(net=…)``, if this machine has it."""
    folder = os.environ.get(WEIGHTS_VARIABLE)
    if not folder:
        return None
    file = Path(folder) / f"{net}.safetensors"
    return file if file.is_file() else None


def load_lpips(net: str, weights: Path, device: torch.device) -> Any:
    """Build ``lpips.LPIPS`` with weights from a safetensors file, in float32, without a download."""
    from safetensors.torch import load_file

    from sync_engine.common import torchvision_schemas  # noqa: F401  # before lpips imports torchvision

    import lpips  # isort: skip

    model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    state = {name: value.float() for name, value in load_file(weights).items()}
    missing = model.load_state_dict(state, strict=False).missing_keys
    # ``lins`` names the modules ``lin0``, ``lin1``, … a second time; the scaling layer is constant.
    lacking = [name for name in missing if not name.startswith(("lins.", "scaling_layer."))]
    if lacking:
        raise ModelNotAvailable(
            f"{weights} lacks {lacking[0]} of lpips.LPIPS(net={net!r}).",
            f"Put the weights of lpips 0.1 there, or unset {WEIGHTS_VARIABLE}.",
        )
    return model.to(device).eval().requires_grad_(False)


def lpips_embedding(
    model: Any, decode: Callable[[torch.Tensor], torch.Tensor], dtype: torch.dtype | None = None
) -> Embed:
    """Return the embedding whose distance equals LPIPS of the decoded windows.

    Args:
        model: from ``load_lpips``.
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


def net_of(backbone: Any, method: str) -> str:
    """Return what a method sees windows through: ``own`` (the model's, on latents), ``lpips`` or ``draft``.

    The fast method prefers the model's own net, which needs no decoding. The paper's method takes LPIPS-VGG
    where its weights are there (environment variable ``SYNCSCAPE_LPIPS`` names their folder). Where neither
    is, the windows are decoded and seen through the draft model's encoder and net.
    """
    weights = lpips_weights("vgg") is not None
    if backbone.latent_features() is not None and (method == "sync" or not weights):
        return "own"
    return "lpips" if weights else "draft"


def choose(backbone: Any, method: str, layout: float = LAYOUT_WEIGHT) -> Embed:
    """Return the embedding for a method, see ``net_of``.

    The fast method decodes with the tiny decoder where the backbone has one. ``layout`` is the weight that
    ``latent_embedding`` gives brightness and colours.
    """
    net, weights = net_of(backbone, method), lpips_weights("vgg")
    if net == "own":
        return latent_embedding(backbone.latent_features(), layout)
    decode = backbone.quick_decode if method == "sync" else backbone.decode
    # A pull is a direction, which bfloat16 keeps (cosine 0.98 to float32's); float16 loses small gradients.
    quick = torch.bfloat16 if method == "sync" and backbone.dtype == torch.bfloat16 else torch.float32
    if net == "lpips" and weights is not None:
        embed = lpips_embedding(load_lpips("vgg", weights, backbone.device), decode, quick)
    else:
        embed = _through_draft(backbone, decode, layout, quick)
    return halved(embed) if method == "sync" else embed


def _through_draft(
    backbone: Any, decode: Callable[[torch.Tensor], torch.Tensor], layout: float, dtype: torch.dtype
) -> Embed:
    from sync_engine.backbones.loading import load
    from sync_engine.catalog.models import TABLE

    draft = load(TABLE["draft"], backbone.device, dtype)
    net = draft.latent_features()
    if net is None:
        raise ModelNotAvailable(
            f"The bundled model's folder {draft.folder} lacks its perceptual net.",
            "Install the extension again, or use the method multidiffusion.",
        )
    own = latent_embedding(net, layout)

    def embed(latents: torch.Tensor) -> list[torch.Tensor]:
        return own(draft.encode_picture(decode(latents).float()))

    return embed
