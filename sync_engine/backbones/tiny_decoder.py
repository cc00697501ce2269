# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny autoencoders (TAESD): a picture of latents at nearly no cost, for previews and the method ``sync``.

The finished picture is always decoded with the model's own autoencoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sync_engine.backbones.model import Model
from sync_engine.catalog import model_folder
from sync_engine.catalog.model_index import Index
from sync_engine.catalog.models import TINY_CLASS, TINY_DECODERS, tiny_decoder_of
from sync_engine.catalog.safetensors_header import check_weights_file
from sync_engine.catalog.small_files import read_json
from sync_engine.common.errors import ModelNotAvailable, first_line
from sync_engine.common.late import torch
from sync_engine.downloads.store import installed
from sync_engine.interface.wording import Message

REMEDY = "Use the tiny decoder of the model's family, or none."


def find(wanted: str, index: Index) -> tuple[str, Path | None]:
    """Return the name and the folder of the tiny decoder of a job; no folder where none is used.

    Args:
        wanted: ``auto`` for the family's where it is on this computer, ``none``, a name of
            ``TINY_DECODERS``, or a folder.
        index: what the model's folder says of itself.

    Raises:
        ModelNotAvailable: what was named is not there.
    """
    if wanted == "auto":
        row = tiny_decoder_of(index)
        folder = installed(row) if row is not None else None
        return (row.name, folder) if row is not None and folder is not None else ("none", None)
    if wanted == "none":
        return "none", None
    if wanted in TINY_DECODERS:
        folder = installed(TINY_DECODERS[wanted])
        if folder is None:
            raise ModelNotAvailable(
                Message("tiny_decoder = {wanted} is not on this computer.", wanted=repr(wanted)),
                Message("Fetch it: python -m sync_engine models download {wanted}", wanted=wanted),
            )
        return wanted, folder
    folder = Path(wanted).expanduser()
    if not (folder / "config.json").is_file():
        raise ModelNotAvailable(
            Message(
                "tiny_decoder = {wanted} is no folder of an {class_name}: it has no config.json.",
                wanted=repr(wanted),
                class_name=TINY_CLASS,
            ),
            Message(
                "Use auto, none, {names}, or a folder in diffusers' format.", names=", ".join(TINY_DECODERS)
            ),
        )
    return str(folder), folder


def load(folder: Path, backbone: Model) -> Any:
    """Load a tiny decoder for a backbone, on its device and in its precision.

    Raises:
        ModelNotAvailable: it cannot be read, or is for latents of another kind.
    """
    import diffusers

    model_folder.check_part(folder, weights=True)
    found = read_json(folder / "config.json").get("_class_name")
    if found != TINY_CLASS:
        raise ModelNotAvailable(
            Message(
                "tiny_decoder = {folder} is of class {found}, not {class_name}.",
                folder=repr(str(folder)),
                found=found,
                class_name=TINY_CLASS,
            ),
            REMEDY,
        )
    for file in folder.glob("*.safetensors"):
        check_weights_file(file)
    try:
        tiny: Any = getattr(diffusers, TINY_CLASS).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, torch_dtype=backbone.dtype
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise _unreadable(folder, error) from error
    scale = 2 ** (len(tiny.config.decoder_block_out_channels) - 1)
    if (tiny.config.latent_channels, scale) != (backbone.channels, backbone.scale):
        raise ModelNotAvailable(
            Message(
                "tiny_decoder = {folder} is for latents of {channels} channels and {scale} pixels a cell; "
                "the model's have {own_channels} and {own_scale}.",
                folder=repr(str(folder)),
                channels=tiny.config.latent_channels,
                scale=scale,
                own_channels=backbone.channels,
                own_scale=backbone.scale,
            ),
            REMEDY,
        )
    tiny.decoder.to(memory_format=torch.channels_last)
    return tiny.eval().requires_grad_(False).to(backbone.device)


def _unreadable(folder: Path, error: Exception) -> ModelNotAvailable:
    return ModelNotAvailable(
        Message(
            "tiny_decoder = {folder} cannot be loaded ({reason}).",
            folder=repr(str(folder)),
            reason=first_line(error),
        ),
        "Fetch it again.",
    )
