# SPDX-License-Identifier: GPL-3.0-or-later
"""ControlNets: found, checked against the model before it is loaded, and loaded.

Zhang et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models". As with models nothing of
a folder runs and only safetensors are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync_engine.backbones import controlnet_files
from sync_engine.catalog import control_nets, model_folder
from sync_engine.catalog.control_nets import CLASSES, ControlNetRow
from sync_engine.catalog.families import read_object
from sync_engine.catalog.model_index import Index
from sync_engine.catalog.safetensors_header import check_weights_file
from sync_engine.catalog.small_files import read_json
from sync_engine.common.errors import ModelNotAvailable, first_line
from sync_engine.common.late import torch
from sync_engine.downloads.store import installed
from sync_engine.interface.guides import Control
from sync_engine.interface.wording import Message, as_message

REMEDY = "Use a ControlNet of the model's family, as a folder in diffusers' format."
SAME = {
    "UNet2DConditionModel": (
        "in_channels",
        "cross_attention_dim",
        "block_out_channels",
        "addition_embed_type",
    ),
    "ZImageTransformer2DModel": ("dim", "n_heads"),
    "QwenImageTransformer2DModel": ("in_channels", "joint_attention_dim"),
}
"""What the configurations of a ControlNet and of its model's network say alike."""
ABOUT = "syncscape_control.json"
"""A file of a ControlNet's folder that says how its maps are made; without it as usual."""


@dataclass(frozen=True)
class Found:
    """A ControlNet that is on this computer and fits the model.

    Attributes:
        row: of the table, or made of what the user named.
        place: the folder or the file that it is in.
        logarithmic: whether it is told depth in doublings (``guiding.control_maps``).
        changed: when its weights were, in nanoseconds.
    """

    row: ControlNetRow
    place: Path
    logarithmic: bool = False
    changed: int = 0


def row_of(guide: Control, model: Path, index: Index) -> ControlNetRow:
    """Return the ControlNet that a guide names, or the table's for its kind and a model's folder.

    Raises:
        ModelNotAvailable: there is none, or the family has no ControlNets.
    """
    if index.classes[index.family.denoiser] not in CLASSES:
        raise ModelNotAvailable(
            Message("Models of the family {family} take no ControlNet here.", family=index.family.name),
            "Use Stable Diffusion 1.5, 2 or XL, Z-Image or Qwen-Image, or leave the control guide out.",
        )
    if guide.model:
        return control_nets.find(guide.model)
    config = read_object(model / index.family.denoiser / "config.json")
    row = control_nets.default_for(guide.kind, text_features(config))
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
    file = _only_file(folder)
    if file is not None:
        _check_file(file, model, index)
        return Found(row, file, changed=file.stat().st_mtime_ns)
    if not folder.is_dir():
        raise refused(folder, "is no folder", REMEDY)
    logarithmic = _check(folder, model, index)
    changed = max(file.stat().st_mtime_ns for file in folder.glob("*.safetensors"))
    return Found(row, folder, logarithmic, changed)


def text_features(config: dict[str, Any]) -> int:
    """Return the features of the text that a denoiser looks at, by its configuration, else 0."""
    found = config.get("cross_attention_dim") or config.get("cap_feat_dim")
    return found if isinstance(found, int) else 0


def _only_file(place: Path) -> Path | None:
    """Return the safetensors file that a place is, or the only one of a folder without a configuration."""
    if place.is_file():
        return place
    files = sorted(place.glob("*.safetensors")) if not (place / "config.json").is_file() else []
    return files[0] if len(files) == 1 else None


def _check_file(file: Path, model: Path, index: Index) -> None:
    _check_class(file, controlnet_files.class_of(file), index)
    check_family(file, controlnet_files.config_of(file), _denoiser_config(model, index))


def _check_class(place: Path, name: Any, index: Index) -> None:
    wanted = CLASSES[index.classes[index.family.denoiser]]
    if name not in wanted:
        raise refused(place, Message("is of class {name}, not {wanted}", name=name, wanted=wanted[0]), REMEDY)


def _denoiser_config(model: Path, index: Index) -> dict[str, Any]:
    return read_object(model / index.family.denoiser / "config.json")


def _check(folder: Path, model: Path, index: Index) -> bool:
    """Check a folder against a model's; return whether it is told depth in doublings."""
    if not (folder / "config.json").is_file():
        raise refused(folder, "has no config.json", REMEDY)
    model_folder.check_part(folder, weights=True)
    config = read_json(folder / "config.json")
    _check_class(folder, config.get("_class_name"), index)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise refused(folder, "has no safetensors weights", "Only safetensors files are read.")
    for file in files:
        check_weights_file(file)
    same = SAME[index.classes[index.family.denoiser]]
    check_family(folder, {name: config.get(name) for name in same}, _denoiser_config(model, index))
    about = read_object(folder / ABOUT)
    return about.get("depth") == "logarithmic"


def check_family(place: Path, config: dict[str, Any], denoiser: dict[str, Any]) -> None:
    """Raise ModelNotAvailable where what is known of a ControlNet does not fit a denoiser's configuration."""
    for name, value in config.items():
        mine, wanted = _plain(value), _plain(denoiser.get(name))
        if mine != wanted:
            problem = Message(
                "is for another family of models ({name} {mine}, the model's is {wanted})",
                name=name,
                mine=mine,
                wanted=wanted,
            )
            raise refused(place, problem, REMEDY)


def load(found: Found, denoiser: Any, dtype: torch.dtype) -> Any:
    """Return diffusers' network of a checked ControlNet, in evaluation, on the CPU.

    Z-Image's shares the embedders and refiners of the model's transformer.

    Args:
        found: where it is.
        denoiser: the loaded model's network.
        dtype: precision that it computes in.

    Raises:
        ModelNotAvailable: the library cannot read it.
    """
    import diffusers

    if found.place.is_file():
        return _ready(controlnet_files.load(found.place, denoiser, dtype), denoiser)
    folder = found.place
    config = read_json(folder / "config.json")
    names = [file.name for file in folder.glob("*.safetensors")]
    variant = "fp16" if all(".fp16" in name for name in names) else None
    try:
        net: Any = getattr(diffusers, config["_class_name"]).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, torch_dtype=dtype, variant=variant
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise refused(
            folder, Message("cannot be loaded ({reason})", reason=first_line(error)), "Fetch it again."
        ) from error
    return _ready(net, denoiser)


def _ready(net: Any, denoiser: Any) -> Any:
    net = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    shares = type(net).__name__ == "ZImageControlNetModel"
    return net.from_transformer(net, denoiser) if shares else net


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
    return ModelNotAvailable(
        Message(
            "control = {place} cannot be used: it {problem}.",
            place=repr(str(place)),
            problem=as_message(problem),
        ),
        hint,
    )
