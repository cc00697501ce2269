# SPDX-License-Identifier: GPL-3.0-or-later
"""ControlNets of U-Nets: found, checked against the model before it is loaded, and loaded.

Zhang et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models". As with models nothing of
a folder runs and only safetensors are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync_engine.catalog import control_nets, model_folder
from sync_engine.catalog.control_nets import UNET_CLASSES, ControlNetRow
from sync_engine.catalog.families import read_object
from sync_engine.catalog.model_index import Index
from sync_engine.catalog.safetensors_header import check_weights_file
from sync_engine.catalog.small_files import read_json
from sync_engine.common.errors import ModelNotAvailable, first_line
from sync_engine.common.late import torch
from sync_engine.downloads.store import installed
from sync_engine.interface.guides import Control
from sync_engine.interface.wording import Message

REMEDY = "Use a ControlNet of the model's family, as a folder in diffusers' format."
SAME = ("in_channels", "cross_attention_dim", "block_out_channels", "addition_embed_type")
"""What the configurations of a ControlNet and of its U-Net say alike."""
ABOUT = "syncscape_control.json"
"""A file of a ControlNet's folder that says how its maps are made; without it as usual."""


@dataclass(frozen=True)
class Found:
    """A ControlNet that is on this computer and fits the model.

    Attributes:
        row: of the table, or made of what the user named.
        folder: where it is.
        logarithmic: whether it is told depth in doublings (``guiding.control_maps``).
        changed: when its weights were, in nanoseconds.
    """

    row: ControlNetRow
    folder: Path
    logarithmic: bool = False
    changed: int = 0


def row_of(guide: Control, model: Path, index: Index) -> ControlNetRow:
    """Return the ControlNet that a guide names, or the table's for its kind and a model's folder.

    Raises:
        ModelNotAvailable: there is none, or the family has no ControlNets.
    """
    denoiser = index.classes[index.family.denoiser]
    if denoiser != "UNet2DConditionModel":
        raise ModelNotAvailable(
            Message("Models of the family {family} take no ControlNet here.", family=index.family.name),
            "Use Stable Diffusion 1.5, 2 or XL, or leave the control guide out.",
        )
    if guide.model:
        return control_nets.find(guide.model)
    config = read_object(model / index.family.denoiser / "config.json")
    row = control_nets.default_for(guide.kind, config.get("cross_attention_dim", 0))
    if row is None:
        raise ModelNotAvailable(
            Message("No ControlNet for {kind} and this model is known.", kind=guide.kind),
            "Name one: its folder or hub id as model of the control guide.",
        )
    return row


def find(row: ControlNetRow, model: Path, index: Index) -> Found:
    """Return a ControlNet's place, after its small files and headers were checked against a model's folder.

    Raises:
        ModelNotAvailable: it is not here, not safe, not whole, or belongs to another family of models.
    """
    name = row.model.name
    if row.model.on_hub:
        folder = installed(row.model)
        if folder is None:
            raise ModelNotAvailable(
                Message("control = {name} is not on this computer.", name=repr(name)),
                Message("Fetch it: python -m sync_engine models download {name}", name=name),
            )
    else:
        folder = Path(row.model.source)
    if not folder.is_dir():
        raise refused(folder, "is no folder", REMEDY)
    logarithmic = _check(folder, model, index)
    changed = max(file.stat().st_mtime_ns for file in folder.glob("*.safetensors"))
    return Found(row, folder, logarithmic, changed)


def _check(folder: Path, model: Path, index: Index) -> bool:
    """Check a folder against a model's; return whether it is told depth in doublings."""
    if not (folder / "config.json").is_file():
        raise refused(folder, "has no config.json", REMEDY)
    model_folder.check_part(folder, weights=True)
    config = read_json(folder / "config.json")
    if config.get("_class_name") not in UNET_CLASSES:
        raise refused(folder, f"is of class {config.get('_class_name')}, not {UNET_CLASSES[0]}", REMEDY)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise refused(folder, "has no safetensors weights", "Only safetensors files are read.")
    for file in files:
        check_weights_file(file)
    check_family(folder, config, read_object(model / index.family.denoiser / "config.json"))
    about = read_object(folder / ABOUT)
    return about.get("depth") == "logarithmic"


def check_family(folder: Path, config: dict[str, Any], unet: dict[str, Any]) -> None:
    """Raise ModelNotAvailable where a ControlNet's configuration does not fit that of a U-Net."""
    for name in SAME:
        mine, wanted = _plain(config.get(name)), _plain(unet.get(name))
        if mine != wanted:
            problem = f"is for another family of models ({name} {mine}, the model's is {wanted})"
            raise refused(folder, problem, REMEDY)


def load(found: Found, dtype: torch.dtype) -> Any:
    """Return diffusers' network of a checked ControlNet, in evaluation, on the CPU.

    Raises:
        ModelNotAvailable: the library cannot read it.
    """
    import diffusers

    folder = found.folder
    config = read_json(folder / "config.json")
    names = [file.name for file in folder.glob("*.safetensors")]
    variant = "fp16" if all(".fp16" in name for name in names) else None
    try:
        net: Any = getattr(diffusers, config["_class_name"]).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, torch_dtype=dtype, variant=variant
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise refused(folder, f"cannot be loaded ({first_line(error)})", "Fetch it again.") from error
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def mode_of(net: Any, kind: str) -> int | None:
    """Return the number by which a union is told a kind of map; None for a ControlNet of one kind.

    Raises:
        ModelNotAvailable: the union does not know the kind.
    """
    known = net.config.get("num_control_type")
    if known is None:
        return None
    mode = control_nets.UNION_MODES.get(kind)
    if mode is None or mode >= known:
        raise ModelNotAvailable(
            Message("This union of ControlNets takes no map of the kind {kind}.", kind=kind),
            "Use another kind of map, or a ControlNet of its own.",
        )
    return mode


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def refused(place: Path, problem: str, hint: str) -> ModelNotAvailable:
    """Return the error for a ControlNet that cannot be used."""
    return ModelNotAvailable(f"control = {str(place)!r} cannot be used: it {problem}.", hint)
