# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts what models take of a GPU's memory at their real shapes, without weights and without a GPU.

Networks of the published sizes are built and called on tensors that have shapes and no numbers (torch's
``FakeTensorMode``), and every storage is counted from its birth to its end. Attention counts as the kind that
keeps no matrix of scores. ``python -m benchmarks.count_memory`` prints the figures that the rows of
``catalog/models.py`` and the families keep.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import sync_engine.common.torchvision_schemas  # noqa: F401  # before transformers imports torchvision

HALF = torch.bfloat16
QWEN_3_4B: dict[str, Any] = {
    "vocab_size": 151936,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
}
UNET = {"block_out_channels": (320, 640, 1280, 1280), "sample_size": 64}
KL = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages that live, and the most that lived at once."""

    def __init__(self, apart: set[int]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known = set(apart)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operator and count what it made."""
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def millions(module: torch.nn.Module) -> float:
    """Return the parameters of a network in millions."""
    return sum(value.numel() for value in module.parameters()) / 1e6


def peak_of(network: torch.nn.Module, call: Callable[[], Any], gradient: bool = False) -> int:
    """Return the most bytes that live at once while a network runs, its weights apart."""
    weights = {value.untyped_storage()._cdata for value in (*network.parameters(), *network.buffers())}
    with torch.set_grad_enabled(gradient), LiveBytes(weights) as live:
        call()
    return live.peak


def _half(*shape: int) -> Any:
    return torch.randn(shape, dtype=HALF)


def _unet_call(unet: Any, cells: int, added: bool = False) -> Callable[[], Any]:
    def call() -> Any:
        pooled, width = unet.config.projection_class_embeddings_input_dim, unet.config.addition_time_embed_dim
        told = {"text_embeds": _half(2, pooled - 6 * width), "time_ids": _half(2, 6)} if added else None
        text = _half(2, 77, unet.config.cross_attention_dim)
        noisy = _half(2, 4, cells, cells)
        return unet(noisy, torch.tensor(5), encoder_hidden_states=text, added_cond_kwargs=told)

    return call


def _sd(cross: int, heads: Any, linear: bool) -> tuple[Any, Callable[[], Any]]:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    unet = UNet2DConditionModel(
        **UNET, cross_attention_dim=cross, attention_head_dim=heads, use_linear_projection=linear
    )
    return unet, _unet_call(unet, 64)


def _sdxl() -> tuple[Any, Callable[[], Any]]:
    from benchmarks.random_model import SIZES, _unet

    unet = _unet(SIZES["xl"])
    return unet, _unet_call(unet, 128, added=True)


def _z_image() -> tuple[Any, Callable[[], Any]]:
    from diffusers.models.transformers.transformer_z_image import ZImageTransformer2DModel

    network = ZImageTransformer2DModel()
    return network, lambda: network([_half(16, 1, 128, 128)], torch.ones(1), [_half(512, 2560)])


def _klein() -> tuple[Any, Callable[[], Any]]:
    from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel

    network = Flux2Transformer2DModel(
        num_layers=5,
        num_single_layers=20,
        num_attention_heads=24,
        joint_attention_dim=7680,
        guidance_embeds=False,
    )
    return network, lambda: network(
        hidden_states=_half(1, 4096, 128),
        timestep=torch.ones(1),
        guidance=None,
        encoder_hidden_states=_half(1, 512, 7680),
        txt_ids=torch.zeros(1, 512, 4),
        img_ids=torch.zeros(1, 4096, 4),
    )


def _qwen_image() -> tuple[Any, Callable[[], Any]]:
    from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel

    network = QwenImageTransformer2DModel()
    return network, lambda: network(
        hidden_states=_half(2, 4096, 64),
        timestep=torch.ones(2),
        encoder_hidden_states=_half(2, 128, 3584),
        encoder_hidden_states_mask=None,
        img_shapes=[[(1, 64, 64)]] * 2,
    )


DENOISERS: dict[str, Callable[[], tuple[Any, Callable[[], Any]]]] = {
    "sd-1.5": lambda: _sd(768, 8, False),
    "sd-2-base": lambda: _sd(1024, (5, 10, 20, 20), True),
    "sdxl": _sdxl,
    "z-image-turbo": _z_image,
    "flux2-klein": _klein,
    "qwen-image": _qwen_image,
}


def text_encoders() -> dict[str, Any]:
    """Return the text encoders by the model of the table, built without weights."""
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen3Config,
        Qwen3Model,
    )

    clip_l = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12)
    open_h = CLIPTextConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16
    )
    open_g = CLIPTextConfig(
        hidden_size=1280,
        intermediate_size=5120,
        num_hidden_layers=32,
        num_attention_heads=20,
        projection_dim=1280,
    )
    qwen_vl = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": 152064,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
        },
        vision_config={
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
        },
    )
    qwen = Qwen3Model(Qwen3Config(**QWEN_3_4B))
    return {
        "sd-1.5": [CLIPTextModel(clip_l)],
        "sd-2-base": [CLIPTextModel(open_h)],
        "sdxl": [CLIPTextModel(clip_l), CLIPTextModelWithProjection(open_g)],
        "z-image-turbo": [qwen],
        "flux2-klein": [qwen],
        "qwen-image": [Qwen2_5_VLForConditionalGeneration(qwen_vl)],
    }


def decoders() -> dict[str, tuple[Any, Callable[[], Any]]]:
    """Return autoencoders and how each decodes one window of its model."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2
    from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage

    sd = AutoencoderKL(**KL)
    z = AutoencoderKL(**KL, latent_channels=16, use_quant_conv=False, use_post_quant_conv=False)
    flux = AutoencoderKLFlux2()
    qwen = AutoencoderKLQwenImage()
    return {
        "sd-1.5": (sd, lambda: sd.decode(_half(1, 4, 64, 64))),
        "sdxl": (sd, lambda: sd.decode(_half(1, 4, 128, 128))),
        "z-image-turbo": (z, lambda: z.decode(_half(1, 16, 128, 128))),
        "flux2-klein": (flux, lambda: flux.decode(_half(1, 32, 128, 128))),
        "qwen-image": (qwen, lambda: qwen.decode(_half(1, 16, 1, 128, 128))),
    }


def syncs() -> dict[str, tuple[Any, Callable[[], Any]]]:
    """Return what a window of 1024 pixels goes through to be compared, with the gradient back to latents."""
    from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
    from torchvision.models import vgg16

    def way(vae: Any, channels: int) -> tuple[Any, Callable[[], Any]]:
        net: Any = vgg16().features
        both = torch.nn.ModuleList([vae, net]).requires_grad_(False)

        def call() -> Any:
            latents = _half(1, channels, 64, 64).requires_grad_()
            layers: list[torch.Tensor] = []
            seen = vae.decode(latents, return_dict=False)[0]
            for number, layer in enumerate(net):
                seen = layer(seen)
                if number in (3, 8, 15, 22, 29):
                    layers.append(seen.square().mean())
            return torch.autograd.grad(torch.stack(layers).sum(), latents)

        return both, call

    return {
        "tiny decoder": way(AutoencoderTiny(), 4),
        "no tiny decoder": way(AutoencoderKLFlux2(), 32),
    }


def main() -> None:
    """Print the figures."""
    torch.set_default_dtype(HALF)
    with FakeTensorMode(allow_non_fake_inputs=True):
        for name, build in DENOISERS.items():
            network, call = build()
            sys.stdout.write(f"{name}: denoiser {millions(network):.1f} M, ")
            sys.stdout.write(f"a window {peak_of(network, call) / 2**20:.0f} MiB\n")
        for name, networks in text_encoders().items():
            sys.stdout.write(f"{name}: text {sum(map(millions, networks)):.1f} M\n")
        for name, (networks, call) in syncs().items():
            size = peak_of(networks, call, gradient=True) / 2**20
            sys.stdout.write(f"{name}: comparing a window {size:.0f} MiB\n")
        for name, (vae, call) in decoders().items():
            sys.stdout.write(
                f"{name}: autoencoder {millions(vae):.1f} M, decoding {peak_of(vae, call) / 2**20:.0f} MiB\n"
            )


if __name__ == "__main__":
    main()
