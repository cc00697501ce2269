# SPDX-License-Identifier: GPL-3.0-or-later
"""The nets that windows are compared through: which one a model gets, asked without loading, and their cache.

Nothing heavy is imported before a net is loaded: Blender's process reads ``FeatureNet`` too.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from sync_engine.backbones.model import Model

WEIGHTS_VARIABLE = "SYNCSCAPE_LPIPS"
"""The environment variable that names the folder with ``vgg.safetensors`` and ``alex.safetensors``."""
FOLDER = "perceptual"
"""Where a model's folder has the net on its own latents (``perceptual_net``)."""
LAYOUT_WEIGHT = 0.2
"""Weight of brightness and colours beside a net's features; at 1 they move far more than shapes do."""


class FeatureNet(Enum):
    """What windows are compared through; the value is written into a result's record."""

    OWN = "own"
    """The model's own net, on its latents."""
    LPIPS = "lpips"
    """LPIPS-VGG (Zhang et al. 2018) of the decoded windows."""
    DRAFT = "draft"
    """The draft model's encoder and net, of the decoded windows."""

    @property
    def decodes(self) -> bool:
        """Whether the windows are decoded to pictures for it."""
        return self is not FeatureNet.OWN


def find(folder: Path, prefer_own: bool = True) -> FeatureNet:
    """Return the net for the model of a folder, by the files that are there.

    The model's own net needs no decoding and comes first with ``prefer_own``, after LPIPS without; where
    neither is on this computer, it is the draft model's.
    """
    own = (folder / FOLDER / "config.json").is_file()
    lpips = lpips_weights("vgg") is not None
    if own and (prefer_own or not lpips):
        return FeatureNet.OWN
    return FeatureNet.LPIPS if lpips else FeatureNet.DRAFT


def lpips_weights(net: str) -> Path | None:
    """Return the file with the weights of ``lpips.LPIPS(net=…)``, if this computer has it."""
    folder = os.environ.get(WEIGHTS_VARIABLE)
    if not folder:
        return None
    file = Path(folder) / f"{net}.safetensors"
    return file if file.is_file() else None


def load_lpips(net: str, weights: Path, device: torch.device) -> Any:
    """Build ``lpips.LPIPS`` with weights from a safetensors file, in float32, without a download."""
    from safetensors.torch import load_file

    from sync_engine.common import torchvision_schemas  # noqa: F401  # before lpips imports torchvision
    from sync_engine.common.errors import ModelNotAvailable
    from sync_engine.interface.wording import Message

    import lpips  # isort: skip

    model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    state = {name: value.float() for name, value in load_file(weights).items()}
    missing = model.load_state_dict(state, strict=False).missing_keys
    # ``lins`` names the modules ``lin0``, ``lin1``, … a second time; the scaling layer is constant.
    lacking = [name for name in missing if not name.startswith(("lins.", "scaling_layer."))]
    if lacking:
        raise ModelNotAvailable(
            Message(
                "{weights} lacks {lacking} of lpips.LPIPS(net={net}).",
                weights=weights,
                lacking=lacking[0],
                net=repr(net),
            ),
            Message("Put the weights of lpips 0.1 there, or unset {variable}.", variable=WEIGHTS_VARIABLE),
        )
    return model.to(device).eval().requires_grad_(False)


class FeatureNets:
    """Loads each net once for a device and a precision, and keeps it."""

    def __init__(self) -> None:
        self._loaded: dict[Hashable, Any] = {}

    def clear(self) -> None:
        """Drop all nets."""
        self._loaded.clear()

    def get(self, net: FeatureNet, model: Model, dtype: torch.dtype) -> Any:
        """Return a net on a model's device: for ``DRAFT`` the draft model, whose own net is its ``OWN``.

        Args:
            net: which.
            model: the loaded model whose windows are compared.
            dtype: the precision of LPIPS or the draft model; a model's own net is float32.
        """
        precision = None if net is FeatureNet.OWN else dtype
        folder = model.folder if net is FeatureNet.OWN else None
        key = (net, folder, str(model.device), precision)
        if key not in self._loaded:
            self._loaded[key] = _load(net, model, dtype)
        return self._loaded[key]


def _load(net: FeatureNet, model: Model, dtype: torch.dtype) -> Any:
    if net is FeatureNet.OWN:
        return _own(model.folder, model.device)
    weights = lpips_weights("vgg")
    if net is FeatureNet.LPIPS and weights is not None:
        return load_lpips("vgg", weights, model.device)
    from sync_engine.backbones.loading import load
    from sync_engine.catalog.models import TABLE

    return load(TABLE["draft"], model.device, dtype)


def _own(folder: Path, device: torch.device) -> Any:
    from sync_engine.catalog.model_folder import check_part
    from sync_engine.common.errors import ModelNotAvailable
    from sync_engine.interface.wording import Message
    from sync_engine.sync.perceptual_net import LatentFeatures

    if not (folder / FOLDER / "config.json").is_file():
        raise ModelNotAvailable(
            Message("The model's folder {folder} lacks its perceptual net.", folder=folder),
            "Install the extension again, or use the method multidiffusion.",
        )
    check_part(folder / FOLDER, weights=True)
    return LatentFeatures.from_folder(folder / FOLDER).to(device)
