# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights of GGUF files, unpacked to a precision that computes while they are loaded.

The file saves disk and download. On a GPU the memory plan decides how the weights are kept, as for any file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sync_engine.catalog.gguf_header import reader, refused, shape_of
from sync_engine.common.late import torch
from sync_engine.interface.wording import Message


def unpacked(file: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return all tensors of a GGUF file.

    Raises:
        ModelNotAvailable: it is damaged, or a tensor is quantised in a way that ``gguf`` cannot unpack.
    """
    from gguf import quants

    found = reader(file)
    state: dict[str, torch.Tensor] = {}
    for tensor in found.tensors:
        try:
            numbers = quants.dequantize(np.asarray(tensor.data), tensor.tensor_type)
            value = torch.from_numpy(np.array(numbers, dtype=np.float32))
            state[tensor.name] = value.reshape(shape_of(found, tensor)).to(dtype)
        except (NotImplementedError, ValueError, RuntimeError, KeyError) as error:
            problem = Message(
                "its tensor {name} ({kind}) cannot be unpacked ({reason})",
                name=tensor.name,
                kind=getattr(tensor.tensor_type, "name", tensor.tensor_type),
                reason=error,
            )
            raise refused(file, problem) from error
    return state
