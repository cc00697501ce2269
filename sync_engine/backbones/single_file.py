# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the parts of a model from a single-file checkpoint, with the configuration of its base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_engine.catalog.model_index import Index
from sync_engine.catalog.single_file_header import DENOISER, Checkpoint
from sync_engine.common.errors import ModelNotAvailable, first_line
from sync_engine.common.late import torch
from sync_engine.interface.wording import Message

V_WINDOW = 96
"""Side of the windows, in cells, of Stable Diffusion 2 where it predicts v: it was trained on 768 pixels."""


def load_parts(
    file: Path,
    told: Checkpoint,
    index: Index,
    folder: Path,
    dtype: torch.dtype,
    of_base: Callable[[list[str]], dict[str, Any]],
) -> dict[str, Any]:
    """Load a checkpoint's parts on the CPU in one precision.

    Args:
        file: the checkpoint.
        told: what its header says.
        index: what the base's folder says of itself.
        folder: the base's folder; of a whole checkpoint's base it needs to have only the small files.
        dtype: precision of the weights.
        of_base: loads parts of the base by their names.

    Raises:
        ModelNotAvailable: tensors are missing, or have other shapes than the base's.
    """
    import sync_engine.common.torchvision_schemas  # noqa: F401  # before transformers imports torchvision

    import diffusers  # isort: skip
    from safetensors.torch import load_file

    part = index.family.denoiser
    if not told.whole:
        cls = getattr(diffusers, index.classes[part])
        tensors = {name.removeprefix(DENOISER): value for name, value in load_file(file).items()}
        options = {"config": str(folder), "subfolder": part, "local_files_only": True}
        load = lambda: cls.from_single_file(tensors, torch_dtype=dtype, **options)  # noqa: E731
        denoiser = _checked(file, load, part)
        return of_base([other for other in index.classes if other != part]) | {part: denoiser}
    cls = getattr(diffusers, index.pipeline)
    options: dict[str, Any] = {**index.family.pipeline_options, **of_base(list(told.lacking))}
    load = lambda: cls.from_single_file(  # noqa: E731
        str(file), config=str(folder), local_files_only=True, torch_dtype=dtype, **options
    )
    pipeline = _checked(file, load, "")
    parts = {part: getattr(pipeline, part) for part in index.classes}
    _as_told(parts, told)
    return parts


def _checked(file: Path, load: Callable[[], Any], part: str) -> Any:
    """Return what was loaded; a tensor that the file lacks would otherwise stay without a value."""
    try:
        loaded = load()
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, IndexError, AttributeError) as error:
        raise _misfit(file, first_line(error)) from error
    components = {part: loaded} if part else loaded.components
    for name, module in components.items():
        if isinstance(module, torch.nn.Module):
            lacking = [key for key, value in module.state_dict().items() if value.is_meta]
            if lacking:
                raise _misfit(
                    file,
                    Message(
                        "{count} tensors of its {name} are missing, such as {lacking}",
                        count=len(lacking),
                        name=name,
                        lacking=lacking[0],
                    ),
                )
    return loaded


def _misfit(file: Path, problem: str) -> ModelNotAvailable:
    return ModelNotAvailable(
        Message("model = {file} could not be loaded ({problem}).", file=repr(str(file)), problem=problem),
        "Fetch the file again, or use the same model as a folder in diffusers' format.",
    )


def _as_told(parts: dict[str, Any], told: Checkpoint) -> None:
    """Give the parts what a checkpoint says of itself and its base does otherwise."""
    if told.prediction is None:
        return
    changes: dict[str, Any] = {"prediction_type": told.prediction}
    if told.zero_snr:
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    parts["scheduler"].register_to_config(**changes)
    if told.base == "sd-2-base":
        parts["unet"].register_to_config(sample_size=V_WINDOW)
