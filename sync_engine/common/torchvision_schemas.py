# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a torchvision wheel built for CUDA import beside a CPU build of torch.

PyPI's torchvision registers Python fake kernels for two operators that its compiled part
defines. When that part does not load beside a CPU torch, the import fails with "operator
torchvision::nms does not exist". Naming the two schemas first is enough: nothing here ever
calls them. Import this module before ``lpips`` or ``torchvision``.
"""

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_library: torch.library.Library | None = None


def define_missing_schemas() -> None:
    """Define ``torchvision::nms`` and ``torchvision::qnms`` where no torchvision did."""
    global _library  # the registrations live as long as this object
    if torch.version.cuda is not None or torch.version.hip is not None or _library is not None:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    _library = library


define_missing_schemas()
