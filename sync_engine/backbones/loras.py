# SPDX-License-Identifier: GPL-3.0-or-later
"""LoRAs (Hu et al. 2021): which family a file was made for, and adding its changes to a loaded model.

The changes are added to the model's weights once, when it is loaded: sampling costs what it costs without.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sync_engine.catalog import families
from sync_engine.catalog.families import LoraNaming, read_object
from sync_engine.catalog.model_index import Index
from sync_engine.catalog.safetensors_header import check_weights_file, metadata, shapes
from sync_engine.catalog.small_files import pairs
from sync_engine.catalog.tokenizer_file import is_harmless
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.late import torch
from sync_engine.interface.loras import Lora
from sync_engine.interface.wording import Message

Shapes = dict[str, tuple[int, ...]]
_DOWN = re.compile(r"(lora_down|lora_A|lora\.down|lora_linear_layer\.down)(\.\w+)?\.weight$")
_OTHER_KINDS = {
    "hada_": Message("a LoHa"),
    "lokr_": Message("a LoKr"),
    "dora_scale": Message("a DoRA"),
    "oft_": Message("an OFT"),
    "bundle_emb": Message("a LoRA with words of its own (OneTrainer's bundle_emb)"),
    ".diff": Message("a LyCORIS of whole differences (.diff)"),
}


def identity(loras: Sequence[Lora]) -> tuple[Any, ...]:
    """Return what tells two lists of LoRAs apart, also where a file was replaced by another."""
    found = []
    for lora in loras:
        path = _path(lora)
        state = path.stat() if path.is_file() else None
        found.append((str(path), lora.weight, state and (state.st_size, state.st_mtime_ns)))
    return tuple(found)


TRIGGER_KEYS = ("modelspec.trigger_phrase", "trigger_phrase", "trigger_words", "trigger_word")
MOST_TRIGGER = 200
"""Characters of such words; what is longer is a description."""


def trigger_of(lora: Lora) -> str:
    """Return the words that a LoRA's file says it was trained with; empty where it says none."""
    path = _path(lora)
    if not path.is_file():
        return ""  # told when it is checked
    check_weights_file(path)
    about = metadata(path)
    words = next((about[key].strip() for key in TRIGGER_KEYS if about.get(key, "").strip()), "")
    return words if len(words) <= MOST_TRIGGER and words.isprintable() else ""


def check(loras: Sequence[Lora], folder: Path, index: Index) -> None:
    """Read the headers of LoRAs and compare them with a model's folder; nothing large is loaded.

    Raises ModelNotAvailable for a file that is missing, no safetensors file, no LoRA, or made for another
    family of models.
    """
    if loras and importlib.util.find_spec("peft") is None:
        raise ModelNotAvailable(
            "The engine's Python has no peft, which LoRAs need.",
            "Update the engine in the preferences, or install the packages of sync_engine/requirements.",
        )
    for lora in loras:
        path = _path(lora)
        if not path.is_file():
            raise ModelNotAvailable(
                Message("lora = {path} is no file.", path=repr(str(path))),
                "Name a safetensors file that is on this computer.",
            )
        check_weights_file(path)
        _check_patterns(path)
        if path.suffix != ".safetensors":
            raise ModelNotAvailable(
                Message("lora = {path} has no name that ends in .safetensors.", path=repr(str(path))),
                "Rename the file.",
            )
        _check_family(path, shapes(path), folder, index)
        _check_numbers(path)


def _check_numbers(path: Path) -> None:
    """Refuse a LoRA with NaN or infinite numbers: they would be noticed in the finished picture only."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118  # no dict
            tensor = weights.get_tensor(name)
            if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
                raise ModelNotAvailable(
                    Message(
                        "lora = {path} holds NaN or infinite numbers ({name}).",
                        path=repr(str(path)),
                        name=name,
                    ),
                    "The file is damaged or its training failed: use another.",
                )


def _check_patterns(path: Path) -> None:
    """Refuse a LoRA that says which layers it is for by a pattern that could take time without end."""
    try:
        told = json.loads(metadata(path).get("lora_adapter_metadata", "{}"))
    except (ValueError, RecursionError) as error:
        raise ModelNotAvailable(
            Message(
                "lora = {path} says of itself what is not JSON ({reason}).",
                path=repr(str(path)),
                reason=error,
            ),
            "Fetch the file again.",
        ) from error
    patterns = []
    for key, value in pairs(told):
        if key.endswith(("_modules", "_pattern")):
            patterns += [value] if isinstance(value, str) else list(value or ())
    for pattern in patterns:
        if not is_harmless(str(pattern)):
            raise ModelNotAvailable(
                Message(
                    "lora = {path} is refused: its pattern {pattern} could take time without end.",
                    path=repr(str(path)),
                    pattern=repr(str(pattern)[:80]),
                ),
                "Use another LoRA.",
            )


def _check_family(path: Path, found: Shapes, folder: Path, index: Index) -> None:
    for mark, kind in _OTHER_KINDS.items():
        if any(mark in name for name in found):
            raise ModelNotAvailable(
                Message(
                    "lora = {path} is {kind}, which this engine cannot read.", path=repr(str(path)), kind=kind
                ),
                "Use a plain LoRA.",
            )
    if not any(_DOWN.search(name) for name in found):
        raise ModelNotAvailable(
            Message(
                "lora = {path} is no LoRA: none of its {found} tensors is a LoRA's.",
                path=repr(str(path)),
                found=len(found),
            ),
            "Whole models are named as the model, not as a LoRA.",
        )
    wanted = index.family.loras
    if wanted is None:
        raise ModelNotAvailable(
            Message(
                "lora = {path} cannot be used: {folder} takes no LoRAs.",
                path=repr(str(path)),
                folder=folder.name,
            ),
            "Use the model without it.",
        )
    given = naming_of(found)
    width, own = text_width(found), _own_width(folder / index.family.denoiser)
    if given is None:
        return
    if given.kind != wanted.kind:
        raise _misfit(path, _words(given, width), folder, _words(wanted, own))
    if wanted.widths and width is not None and own is not None and width != own:
        raise _misfit(path, _words(wanted, width), folder, _words(wanted, own))


def naming_of(found: Shapes) -> LoraNaming | None:
    """Return how a family names what a LoRA's tensors are called like; None if nothing tells."""
    namings = (family.loras for family in families.known() if family.loras is not None)
    return next((naming for naming in namings if _is_named(naming, found)), None)


def _is_named(naming: LoraNaming, found: Shapes) -> bool:
    if naming.unlike and any(map(re.compile(naming.unlike).search, found)):
        return False
    return any(map(re.compile(naming.names).search, found))


def text_width(found: Shapes) -> int | None:
    """Return how many features the text has that a LoRA's cross-attention looks at; None if it has none."""
    for name, shape in found.items():
        if re.search(r"attn2[._](processor[._])?to_[kv]", name) and _DOWN.search(name):
            return shape[1]
    return None


def _own_width(denoiser: Path) -> int | None:
    width = read_object(denoiser / "config.json").get("cross_attention_dim")
    return width[0] if isinstance(width, list) else width


def _words(naming: LoraNaming, width: int | None) -> str:
    """Return for which models a LoRA is, in words."""
    if not naming.widths:
        return naming.kind
    if width is None:
        return "Stable Diffusion"
    return naming.widths.get(
        width, Message("{kind} with text of {width} features", kind=naming.kind, width=width)
    )


def _misfit(path: Path, made_for: str, folder: Path, model: str) -> ModelNotAvailable:
    return ModelNotAvailable(
        Message(
            "lora = {path} was made for {made_for} and does not fit {folder}, which is {model}.",
            path=repr(str(path)),
            made_for=made_for,
            folder=folder.name,
            model=model,
        ),
        "Choose a model of the LoRA's family, or a LoRA for this one.",
    )


def add(loras: Sequence[Lora], index: Index, parts: dict[str, Any], folder: Path) -> None:
    """Add the changes of LoRAs to the parts of a loaded model, on the CPU.

    Raises ModelNotAvailable for one that does not fit, wholly or in a layer; the parts cannot be used then.
    """
    import diffusers

    pipeline = getattr(diffusers, index.pipeline)(**parts, **index.family.pipeline_options)
    names = [f"lora_{number}" for number in range(len(loras))]
    for name, lora in zip(names, loras, strict=True):
        _inject(pipeline, name, _path(lora), parts, folder)
    pipeline.set_adapters(names, [lora.weight for lora in loras])
    pipeline.fuse_lora(components=pipeline._lora_loadable_modules, adapter_names=names)
    pipeline.unload_lora_weights()


def _inject(pipeline: Any, name: str, path: Path, parts: dict[str, Any], folder: Path) -> None:
    """Put one LoRA's layers beside the model's; every one of them must find its place.

    diffusers passes over layers that a model does not have; a picture with half a LoRA would look as if the
    LoRA were bad.
    """
    source: dict[str, Any] = {
        "pretrained_model_name_or_path_or_dict": str(path.parent),
        "weight_name": path.name,
        "use_safetensors": True,
        "local_files_only": True,
    }
    in_file = _own_names(path) if hasattr(pipeline, "unet") else []
    config = {"unet_config": pipeline.unet.config} if "text_encoder_2" in parts else {}
    try:
        converted = pipeline.lora_state_dict(**source, **config)
        wanted = converted[0] if isinstance(converted, tuple) else converted
        pipeline.load_lora_weights(**source, adapter_name=name)
    except (ValueError, RuntimeError, KeyError, IndexError, TypeError, AttributeError) as error:
        detail = (str(error).strip().splitlines() or [repr(error)])[-1].strip()[:200]
        raise ModelNotAvailable(
            Message(
                "lora = {path} does not fit {folder} ({detail}).",
                path=repr(str(path)),
                folder=folder.name,
                detail=detail,
            ),
            "Choose a LoRA that was made for this model.",
        ) from error
    layers = max(_count(wanted), _count(in_file))
    placed = sum(
        layer.endswith(f".lora_A.{name}")
        for part in parts.values()
        if hasattr(part, "named_modules")
        for layer, _ in part.named_modules()
    )
    if placed != layers:
        raise ModelNotAvailable(
            Message(
                "lora = {path} does not fit {folder}, which has {placed} of its {layers} layers.",
                path=repr(str(path)),
                folder=folder.name,
                placed=placed,
                layers=layers,
            ),
            "Choose a LoRA that was made for this model.",
        )


def _own_names(path: Path) -> list[str]:
    """Return the tensors of a LoRA for a U-Net, once each: some files have them by two names."""
    names = list(shapes(path))
    twice = any(re.search("down_blocks|mid_block|up_blocks", name) for name in names)
    return [name for name in names if not (twice and re.search("(input|middle|output)_block", name))]


def _count(names: Iterable[str]) -> int:
    return sum(1 for name in names if _DOWN.search(name))


def _path(lora: Lora) -> Path:
    return Path(lora.file).expanduser()
