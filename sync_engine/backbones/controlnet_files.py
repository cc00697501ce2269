# SPDX-License-Identifier: GPL-3.0-or-later
"""ControlNets in one safetensors file, told by the names of their tensors and built like the model's network.

U-Nets' in the layout of their first authors (``control_model.``, ``input_hint_block``) or of diffusers, with
a union's task embedding or without; Z-Image's "Fun" files. What a file does not say is as the model's network
has it.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from sync_engine.backbones.scaled_weights import unscaled
from sync_engine.catalog.safetensors_header import check_weights_file, shapes
from sync_engine.common.errors import ModelNotAvailable, first_line
from sync_engine.common.late import torch
from sync_engine.interface.wording import Message, as_message

ORIGINAL = "control_model."
TEXT = re.compile(r"attn2\.to_k\.weight$")
Z_IMAGE_MARK = "control_all_x_embedder.2-1.weight"
PATCH_CELLS = 4
"""Latent cells in one token of Z-Image."""
PROJECTION = "control_noise_refiner.0.before_proj.weight"
LIBRARY_ERRORS = (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, IndexError)


def class_of(file: Path) -> str:
    """Return the class of the ControlNet in a file.

    Raises:
        ModelNotAvailable: it is no good safetensors file, or no ControlNet that is known.
    """
    check_weights_file(file)
    names = {name.removeprefix(ORIGINAL) for name in shapes(file)}
    if Z_IMAGE_MARK in names:
        return "ZImageControlNetModel"
    if "task_embedding" in names:
        return "ControlNetUnionModel"
    if names & {"controlnet_cond_embedding.conv_in.weight", "input_hint_block.0.weight"}:
        return "ControlNetModel"
    raise refused(file, "its tensors have the names of no ControlNet that is known here")


def config_of(file: Path) -> dict[str, Any]:
    """Return what of a folder's ``config.json`` the shapes in a file say too."""
    found = {name.removeprefix(ORIGINAL): shape for name, shape in shapes(file).items()}
    if Z_IMAGE_MARK in found:
        dim, _ = found[Z_IMAGE_MARK]
        return {"dim": dim}
    first = found.get("conv_in.weight") or found.get("input_blocks.0.0.weight") or (0, 0)
    text = next((shape[1] for name, shape in found.items() if TEXT.search(name)), None)
    return {"in_channels": first[1]} | ({} if text is None else {"cross_attention_dim": text})


def load(file: Path, denoiser: Any, dtype: torch.dtype) -> Any:
    """Return the ControlNet of a file for a loaded model's network, on the CPU.

    Raises:
        ModelNotAvailable: the file lacks tensors, has others, or they have other shapes.
    """
    import diffusers
    from diffusers.loaders import single_file_utils
    from safetensors.torch import load_file

    cls = getattr(diffusers, class_of(file))
    state = unscaled(file, load_file(file), dtype)
    try:
        if cls.__name__ == "ZImageControlNetModel":
            config = _of_z_image(state, denoiser.config)
            state = single_file_utils.convert_z_image_controlnet_checkpoint_to_diffusers(state, config)
        else:
            config = _of_unet(cls, denoiser.config)
            state = single_file_utils.convert_controlnet_checkpoint(state, config) | _sizes_of(state)
            config |= _told_by(state)
        net = cls(**config)
        net.load_state_dict(state, strict=True)
    except LIBRARY_ERRORS as error:
        raise refused(file, Message("it does not load ({reason})", reason=first_line(error))) from error
    return net.to(dtype)


def _of_unet(cls: Any, unet: Any) -> dict[str, Any]:
    """Return the settings that a ControlNet has in common with its U-Net."""
    return {name: unet[name] for name in inspect.signature(cls.__init__).parameters if name in unet}


def _sizes_of(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return SDXL's embedding of sizes, which the library's conversion leaves out."""
    names = {"label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2"}
    found = {name.removeprefix(ORIGINAL): value for name, value in state.items()}
    return {
        f"{new}.{kind}": found[f"{old}.{kind}"]
        for old, new in names.items()
        for kind in ("weight", "bias")
        if f"{old}.{kind}" in found
    }


def _told_by(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Return the settings that the converted tensors of a U-Net's ControlNet tell."""
    embedding = "controlnet_cond_embedding."
    widths = [state[f"{embedding}conv_in.weight"].shape[0]]
    number = 1
    while f"{embedding}blocks.{number}.weight" in state:  # each second one is as wide as the next part
        widths.append(state[f"{embedding}blocks.{number}.weight"].shape[0])
        number += 2
    told: dict[str, Any] = {"conditioning_embedding_out_channels": tuple(widths)}
    if "task_embedding" in state:
        told["num_control_type"], told["num_trans_channel"] = state["task_embedding"].shape
        told["num_trans_layer"] = _count(state, "transformer_layes")
    return told


def _of_z_image(state: dict[str, torch.Tensor], transformer: Any) -> dict[str, Any]:
    """Return the settings of a Z-Image ControlNet: 6 blocks in its first version, 15 in those after."""
    layers = _count(state, "control_layers")
    step = max(1, transformer["n_layers"] // layers)
    projection = state.get(PROJECTION)
    if projection is not None and bool(projection.any()):
        refiner = "control_noise_refiner"
    elif projection is not None or layers > 6:
        refiner = "control_layers"
    else:
        refiner = None
    same = ("dim", "n_refiner_layers", "n_heads", "n_kv_heads", "norm_eps", "qk_norm", "all_patch_size")
    return {name: transformer[name] for name in same} | {
        "all_f_patch_size": transformer["all_f_patch_size"],
        "control_layers_places": [number * step for number in range(layers)],
        "control_refiner_layers_places": list(range(transformer["n_refiner_layers"])),
        "control_in_dim": state[Z_IMAGE_MARK].shape[1] // PATCH_CELLS,
        "add_control_noise_refiner": refiner,
    }


def _count(names: Any, prefix: str) -> int:
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    return 1 + max((int(found[1]) for name in names if (found := pattern.match(name))), default=0)


def refused(file: Path, problem: str) -> ModelNotAvailable:
    """Return the error for a file that cannot be used as a ControlNet."""
    return ModelNotAvailable(
        Message(
            "control = {file} cannot be used: {problem}.", file=repr(str(file)), problem=as_message(problem)
        ),
        "Use a ControlNet of the model's family, as a safetensors file or a folder in diffusers' format.",
    )
