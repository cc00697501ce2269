# SPDX-License-Identifier: GPL-3.0-or-later
"""Find a model's folder, check it, and load its parts: safetensors only, no code from the hub."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sync_engine.backbones import loras as lora_files
from sync_engine.backbones import single_file
from sync_engine.backbones.model import Model as LoadedModel
from sync_engine.backbones.placement import notes_on, plan_on
from sync_engine.catalog import model_folder, model_index
from sync_engine.catalog.families import Loaded, has_weights
from sync_engine.catalog.memory import sizes_of
from sync_engine.catalog.model_index import Index
from sync_engine.catalog.models import TABLE, Model
from sync_engine.catalog.safetensors_header import check_weights_file
from sync_engine.catalog.single_file_header import inspect
from sync_engine.catalog.small_files import read_json
from sync_engine.common.errors import ModelNotAvailable, first_line
from sync_engine.common.late import torch
from sync_engine.downloads.store import installed, texts_of
from sync_engine.interface.loras import Lora
from sync_engine.interface.memory_plan import MemoryPlan
from sync_engine.interface.wording import Message

VARIANTS = ("bf16", "fp16", "fp32", "ema", "non_ema")
"""Words before a weights file's ending by which diffusers tells several files of one network apart."""


def folder_of(model: Model) -> Path:
    """Return the local folder of a model; a hub id must have been fetched before (``downloads``).

    Of a single file it is the folder of its base.
    """
    if model.base:
        return _folder_of_base(model)
    if Path(model.source).is_dir():
        return Path(model.source)
    if Path(model.source).is_absolute():
        raise ModelNotAvailable(
            Message("The bundled model's folder {source} is missing.", source=model.source),
            "Install the extension again.",
        )
    folder = installed(model)
    if folder is None:
        raise ModelNotAvailable(
            Message("model = {name} is not on this computer.", name=repr(model.name)),
            Message("Fetch it: python -m sync_engine models download {name}", name=model.name),
        )
    return folder


def _folder_of_base(model: Model) -> Path:
    base = TABLE[model.base]
    if Path(base.source).is_dir():
        return Path(base.source)
    folder = installed(base) if model.base_weights else texts_of(base)
    if folder is None:
        what = Message(
            "text encoder and autoencoder" if model.base_weights else "configuration and tokenizer"
        )
        raise ModelNotAvailable(
            Message(
                "model = {source} needs the {what} of {name}, which are not on this computer.",
                source=repr(model.source),
                what=what,
                name=base.name,
            ),
            Message("Fetch them: python -m sync_engine models download {name}", name=base.name),
        )
    return folder


def read_index(folder: Path) -> Index:
    """Read ``model_index.json``; raise ModelNotAvailable for another family or a wrong or missing part."""
    index = folder / "model_index.json"
    if not index.exists():
        raise ModelNotAvailable(
            Message("model folder {folder} has no model_index.json.", folder=folder),
            "Name a folder in diffusers' format, as save_pretrained writes it.",
        )
    data = read_json(index)
    model_folder.check_config(index, data)
    return model_index.read(data, str(folder))


def check_weights(folder: Path, parts: list[str]) -> None:
    """Parse the header of every weights file; raise ModelNotAvailable for a missing or damaged one."""
    for part in parts:
        files = sorted((folder / part).glob("*.safetensors"))
        if not files:
            raise ModelNotAvailable(
                Message("{folder} has no safetensors weights.", folder=folder / part),
                "Only safetensors files are read; convert the model or fetch it again.",
            )
        for file in files:
            check_weights_file(file)


def load_parts(
    folder: Path, index: Index, dtype: torch.dtype, only: Sequence[str] | None = None
) -> dict[str, Any]:
    """Load the parts of a model's folder, or some of them, on the CPU in one precision.

    Raises ModelNotAvailable before any library reads of the folder where it is not safe to.
    """
    classes = {part: name for part, name in index.classes.items() if only is None or part in only}
    model_folder.check(folder, index, classes)
    check_weights(folder, [part for part in classes if has_weights(part)])
    import sync_engine.common.torchvision_schemas  # noqa: F401  # before transformers imports torchvision

    import diffusers  # isort: skip
    import transformers  # isort: skip

    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    parts: dict[str, Any] = {}
    for part, name in classes.items():
        library = transformers if part.startswith(("text_encoder", "tokenizer")) else diffusers
        cls = getattr(library, name, None)
        if cls is None:
            raise model_index.wrong_class(str(folder), index.pipeline, part, name)
        options: dict[str, Any] = {"trust_remote_code": False} if library is transformers else {}
        if has_weights(part):
            precision = "dtype" if library is transformers else "torch_dtype"
            options |= {precision: dtype, "use_safetensors": True}
        variant = _variant(folder / part)
        if has_weights(part) and variant:
            options["variant"] = variant
        try:
            parts[part] = cls.from_pretrained(folder / part, local_files_only=True, **options)
        except single_file.LIBRARY_ERRORS as error:
            raise ModelNotAvailable(
                Message(
                    "{folder}: the part {part} could not be loaded ({reason}).",
                    folder=folder,
                    part=part,
                    reason=first_line(error),
                ),
                "Fetch the model again, or use the bundled model 'draft'.",
            ) from error
    return parts


def _variant(folder: Path) -> str | None:
    """Return the variant, such as ``bf16``, where a part has its weights in that one only; None otherwise.

    Of several variants without a plain one the first of ``VARIANTS`` is taken.
    """
    names = [file.name for file in folder.glob("*.safetensors")]
    found = [v for v in VARIANTS if any(f".{v}." in name or f".{v}-" in name for name in names)]
    plain = [name for name in names if not any(f".{v}." in name or f".{v}-" in name for v in VARIANTS)]
    return found[0] if found and not plain else None


def load(
    model: Model,
    device: torch.device,
    dtype: torch.dtype,
    loras: Sequence[Lora] = (),
    weights: str = "auto",
    offload: str = "auto",
) -> LoadedModel:
    """Find and load a model of any supported family, with LoRAs, onto a device; see ``load_from``.

    ``weights`` and ``offload`` are the spec's, which the free memory settles where they are ``auto``.
    """
    folder = folder_of(model)
    plan = plan_on(device, dtype, sizes_of(model, folder), weights, offload)
    loaded = load_from(model, folder, read_index(folder), device, dtype, loras, plan)
    loaded.notes += notes_on(device, loaded.memory, weights, offload)
    return loaded


def load_from(
    model: Model,
    folder: Path,
    index: Index,
    device: torch.device,
    dtype: torch.dtype,
    loras: Sequence[Lora] = (),
    memory: MemoryPlan | None = None,
) -> LoadedModel:
    """Load a model whose folder was found and whose index was read.

    Args:
        model: the row of the table.
        folder, index: of ``folder_of`` and ``read_index``.
        device, dtype: where it computes, and in which precision.
        loras: changes to its weights.
        memory: how its weights are kept; everything on the device as it is, if left out.
    """
    lora_files.check(loras, folder, index)
    if not index.family.half_precision and dtype == torch.float16:
        dtype = torch.bfloat16  # the activations of these networks leave the range of float16
    if model.base:
        file = Path(model.source)
        of_base = partial(load_parts, folder, index, dtype)
        parts = single_file.load_parts(file, inspect(file), index, folder, dtype, of_base)
    else:
        parts = load_parts(folder, index, dtype)
    if loras:
        lora_files.add(loras, index, parts, folder)
    _limit_tokens(parts)
    backbone = index.family.build(
        Loaded(
            folder=folder,
            index=index,
            parts=parts,
            device=device,
            dtype=dtype,
            window=model.window or index.family.window,
        )
    )
    backbone.place(memory or MemoryPlan())
    return backbone


def _limit_tokens(parts: dict[str, Any]) -> None:
    """Let no tokenizer fill a prompt beyond the places that its text encoder has, whatever its file says."""
    for name, encoder in parts.items():
        if name.startswith("text_encoder"):
            tokenizer = parts[name.replace("text_encoder", "tokenizer")]
            places = encoder.config.get_text_config().max_position_embeddings
            tokenizer.model_max_length = min(tokenizer.model_max_length, places)
