# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights kept in 8 bits with a scale beside them, as single files in scaled fp8 have them.

Two spellings are shared: ``NAME.scale_weight`` and ``NAME.weight_scale`` beside ``NAME.weight``. The weight
is the stored number times the scale, one for the tensor or one for each row. Scales of activations
(``scale_input``, ``input_scale``) say how a product may be computed in 8 bits, which is not done here.
"""

from __future__ import annotations

from pathlib import Path

from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.late import torch
from sync_engine.interface.wording import Message, as_message

SCALES = (".scale_weight", ".weight_scale")
UNUSED = (".scale_input", ".input_scale", ".comfy_quant")
MARK = "scaled_fp8"
"""The name of a tensor that says: the weights have scales."""
FOREIGN = (
    ".absmax",
    ".quant_map",
    ".quant_state",
    ".nested_absmax",
    ".qweight",
    ".qzeros",
    ".weight_scale_2",
)
"""Beside weights of other ways of quantising (bitsandbytes, GPTQ)."""
REMEDY = "Use the same model in bfloat16, float16 or scaled fp8, or as a folder in diffusers' format."


def unscaled(file: Path, state: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return the weights of a file with their scales applied, in a precision that computes.

    Raises:
        ModelNotAvailable: a scale has no weight or of other rows, a weight lacks its scale, or the weights
            are quantised in another way.
    """
    foreign = next((name for name in state if name.endswith(FOREIGN)), None)
    if foreign is None:
        whole = (torch.uint8, torch.int8)
        foreign = next(
            (n for n, v in state.items() if n.endswith(".weight") and v.dtype in whole and v.ndim > 1), None
        )
    if foreign is not None:
        raise _refused(
            file, Message("its weights are quantised in a way that is not read here ({name})", name=foreign)
        )
    scales = {name: value for name, value in state.items() if name.endswith(SCALES)}
    marked = any(name.rpartition(".")[2] == MARK for name in state)
    rest = {
        name: value
        for name, value in state.items()
        if name not in scales and not name.endswith(UNUSED) and name.rpartition(".")[2] != MARK
    }
    for name, scale in scales.items():
        of = f"{name.rpartition('.')[0]}.weight"
        if of not in rest:
            raise _refused(file, Message("its scale {name} belongs to no weight", name=name))
        rest[of] = _times(file, of, rest[of], scale, dtype)
    if scales or marked:
        bare = next(
            (n for n, v in rest.items() if v.ndim > 1 and v.element_size() == 1 and v.is_floating_point()),
            None,
        )
        if bare is not None:
            raise _refused(file, Message("its weight {name} lacks its scale", name=bare))
    return rest


def _times(
    file: Path, name: str, weight: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    if scale.numel() not in (1, len(weight)):
        raise _refused(
            file,
            Message(
                "the scale of {name} has {count} numbers for {rows} rows",
                name=name,
                count=scale.numel(),
                rows=len(weight),
            ),
        )
    rows = scale.float().reshape(-1, *[1] * (weight.ndim - 1))
    return (weight.float() * rows).to(dtype)


def _refused(file: Path, problem: str) -> ModelNotAvailable:
    message = Message(
        "model = {file} cannot be used: {problem}.", file=repr(str(file)), problem=as_message(problem)
    )
    return ModelNotAvailable(message, REMEDY)
