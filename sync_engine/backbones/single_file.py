# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the parts of a model from a single-file checkpoint, with the configuration of its base."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync_engine.backbones.gguf_weights import unpacked
from sync_engine.backbones.scaled_weights import unscaled
from sync_engine.catalog import few_steps, model_folder
from sync_engine.catalog.families import has_weights
from sync_engine.catalog.gguf_header import is_gguf
from sync_engine.catalog.model_index import Index
from sync_engine.catalog.single_file_header import AUTOENCODER, DENOISER, TEXT_ENCODERS, Checkpoint
from sync_engine.common.errors import ModelNotAvailable, first_line
from sync_engine.common.late import torch
from sync_engine.interface.wording import Message, as_message

LIBRARY_ERRORS = (
    *(OSError, ValueError, KeyError, RuntimeError, TypeError, IndexError, AttributeError),
    *(ImportError, AssertionError),
)
"""What the libraries raise for a file that they cannot read; some come as RuntimeError or ImportError."""
KNOWN = (
    *(DENOISER, *AUTOENCODER, *TEXT_ENCODERS, "embedding_manager."),
    *("model_ema.", "denoiser.", "sqrt_", "log_", "alphas_", "betas", "posterior_", "logvar"),
)
"""Beginnings of the names of tensors that a checkpoint has: its parts, their averages, its schedule."""
SAID = ("v_pred", "ztsnr", "global_step")
LAST_BIAS = f"{DENOISER}output_blocks.11.1.transformer_blocks.0.norm1.bias"
V_BIAS = 0.09
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
    from safetensors.torch import load_file

    import sync_engine.common.torchvision_schemas  # noqa: F401  # before transformers imports torchvision

    model_folder.check(folder, index, index.classes, with_weights=False)
    packed = is_gguf(file)
    state = unpacked(file, dtype) if packed else unscaled(file, load_file(file), dtype)
    if packed and told.whole and not any(name.startswith(DENOISER) for name in state):
        state = {f"{DENOISER}{name}": value for name, value in state.items()}
    if not told.whole:
        state = {name.removeprefix(DENOISER): value for name, value in state.items()}
    own = [part for part in index.classes if has_weights(part) and part not in told.lacking]
    parts = {part: _part(file, state, part, index, folder, dtype) for part in own}
    _check_all_used(file, state, parts if told.whole else None, parts[index.family.denoiser])
    parts |= of_base([part for part in index.classes if part not in own])
    _as_told(file, state, parts, told)
    return parts


def _part(
    file: Path, state: dict[str, torch.Tensor], part: str, index: Index, folder: Path, dtype: torch.dtype
) -> Any:
    """Return one part; a tensor that the file lacks would otherwise stay without a value."""
    import diffusers
    import transformers
    from diffusers.loaders import single_file_utils

    options: dict[str, Any] = {"config": str(folder), "subfolder": part, "local_files_only": True}
    options["torch_dtype"] = dtype
    try:
        if part.startswith("text_encoder"):
            cls = getattr(transformers, index.classes[part])
            module = single_file_utils.create_diffusers_clip_model_from_ldm(cls, dict(state), **options)
        else:
            module = getattr(diffusers, index.classes[part]).from_single_file(dict(state), **options)
    except LIBRARY_ERRORS as error:
        raise _misfit(file, Message("{part}: {reason}", part=part, reason=first_line(error))) from error
    lacking = [key for key, value in module.state_dict().items() if value.is_meta]
    if lacking:
        raise _misfit(
            file,
            Message(
                "{count} tensors of its {name} are missing, such as {lacking}",
                count=len(lacking),
                name=part,
                lacking=lacking[0],
            ),
        )
    return module


def _check_all_used(
    file: Path, state: dict[str, torch.Tensor], parts: dict[str, Any] | None, denoiser: Any
) -> None:
    """Refuse a file with tensors that no part took: half a model would look like a bad one.

    A conversion splits and joins tensors, but keeps their numbers: where a network's are fewer than the
    file's, some were left.

    Args:
        parts: of a whole checkpoint; None where the file is a denoiser alone.
    """
    groups = {DENOISER: denoiser} if parts is not None else {"": denoiser}
    if parts is not None and "vae" in parts:
        groups |= dict.fromkeys(AUTOENCODER, parts["vae"])
    for prefix, module in groups.items():
        given = {name: value for name, value in state.items() if name.startswith(prefix)}
        _check_counts(file, given, module)
    if parts is not None:
        foreign = [name for name in state if not name.startswith(KNOWN) and name not in SAID]
        if foreign:
            raise _left(file, foreign[:3])


def _check_counts(file: Path, given: dict[str, torch.Tensor], module: Any) -> None:
    taken = module.state_dict().values()
    if sum(value.numel() for value in given.values() if value.ndim) <= sum(v.numel() for v in taken):
        return
    sizes = Counter(value.numel() for value in taken)
    left = []
    for name, value in given.items():
        sizes[value.numel()] -= 1
        if sizes[value.numel()] < 0:
            left.append(name)
    raise _left(file, left[-3:])


def _left(file: Path, names: list[str]) -> ModelNotAvailable:
    return _misfit(file, Message("it has tensors that nothing takes: {names}", names=", ".join(names)))


def _misfit(file: Path, problem: str) -> ModelNotAvailable:
    return ModelNotAvailable(
        Message(
            "model = {file} could not be loaded ({problem}).",
            file=repr(str(file)),
            problem=as_message(problem),
        ),
        "Fetch the file again, or use the same model as a folder in diffusers' format.",
    )


def _as_told(file: Path, state: dict[str, torch.Tensor], parts: dict[str, Any], told: Checkpoint) -> None:
    """Give the parts what a checkpoint says of itself and its base does otherwise."""
    if told.few_steps is not None:
        few_steps.apply(parts, told.few_steps)
    prediction = told.prediction
    if prediction is None and told.base == "sd-2-base" and _predicts_v(state):
        prediction = "v_prediction"
    if prediction is None:
        return
    changes: dict[str, Any] = {"prediction_type": prediction}
    if told.zero_snr:
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    parts["scheduler"].register_to_config(**changes)
    if told.base == "sd-2-base":
        parts["unet"].register_to_config(sample_size=V_WINDOW)


def _predicts_v(state: dict[str, torch.Tensor]) -> bool:
    """Whether a Stable Diffusion 2 is one that predicts v (2.1 for 768 pixels), which no file says.

    Its training moved the biases of the last attention block further from 0 than that of the ε models, which
    is what ComfyUI tells them by.
    """
    bias = state.get(LAST_BIAS)
    return bias is not None and bias.numel() > 1 and float(bias.float().std()) > V_BIAS
