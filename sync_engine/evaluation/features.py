# SPDX-License-Identifier: GPL-3.0-or-later
"""Crops through pretrained nets: the layers of LPIPS, and what FID and KID compare."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import torch

from sync_engine.common.errors import EngineError, ModelNotAvailable
from sync_engine.evaluation.picture import Picture
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message
from sync_engine.sync.feature_nets import WEIGHTS_VARIABLE, load_lpips, lpips_weights

INCEPTION_VARIABLE = "SYNCSCAPE_INCEPTION"


class LpipsNet:
    """The net of ``lpips.LPIPS(net=…)`` layer by layer; remembers the last picture's layers.

    For VGG the layers are the last ReLU of each of the five blocks: conv1_2, 2_2, 3_3, 4_3, 5_3.
    """

    def __init__(self, net: str, weights: Path, device: torch.device) -> None:
        self.model, self.device = load_lpips(net, weights, device), device
        self._last: tuple[list[torch.Tensor], list[list[torch.Tensor]]] = ([], [])

    @torch.inference_mode()
    def layers(self, crops: list[torch.Tensor]) -> list[list[torch.Tensor]]:
        """Return for each crop ``(3, s, s)`` in [0, 1] its five layers ``(C, h, w)``."""
        if self._last[0] is not crops:
            self._last = ([], [])  # before the next ones come: they are large
            self._last = (crops, [self._see(crop) for crop in crops])
        return self._last[1]

    def _see(self, crop: torch.Tensor) -> list[torch.Tensor]:
        signed = crop[None].to(self.device) * 2 - 1
        return [layer[0] for layer in self.model.net(self.model.scaling_layer(signed))]

    def lpips(self, a: list[torch.Tensor], b: list[torch.Tensor]) -> torch.Tensor:
        """Return LPIPS (Zhang et al. 2018) of two crops by their layers."""
        total = torch.zeros((), device=self.device)
        for x, y, lin in zip(a, b, self.model.lins, strict=True):
            apart = (_unit(x) - _unit(y)).square()
            total = total + (apart * lin.model[-1].weight[0]).sum(dim=0).mean()
        return total


def _unit(layer: torch.Tensor) -> torch.Tensor:
    return layer / (layer.norm(dim=0, keepdim=True) + 1e-10)  # as lpips.normalize_tensor


@cache
def lpips_net(net: str, device: torch.device) -> LpipsNet:
    """Return the net with the weights of this machine, loaded once; raise ModelNotAvailable."""
    weights = lpips_weights(net)
    if weights is None:
        folder = os.environ.get(WEIGHTS_VARIABLE)
        problem = f"{folder} has none" if folder else f"{WEIGHTS_VARIABLE} is not set"
        raise ModelNotAvailable(
            Message("The weights of LPIPS-{net} are missing ({problem}).", net=net, problem=problem),
            Message(
                "Set {variable} to a folder with {net}.safetensors, see docs/science/evaluation.md.",
                variable=WEIGHTS_VARIABLE,
                net=net,
            ),
        )
    return LpipsNet(net, weights, device)


class VggFeatures:
    """What KID compares where Inception is not at hand: conv5_3 of LPIPS-VGG, averaged over positions."""

    def __init__(self, device: torch.device) -> None:
        self.net = lpips_net("vgg", device)

    def __call__(self, picture: Picture) -> torch.Tensor:
        """Return ``(crops, 512)``."""
        return torch.stack([layers[-1].mean(dim=(1, 2)).cpu() for layers in self.net.layers(picture.crops)])


class InceptionFeatures:
    """The pool3 features of the Inception-v3 that FID is defined on (torch-fidelity's port)."""

    def __init__(self, device: torch.device) -> None:
        needs("torch_fidelity")
        weights = _inception_weights()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        self.net: Any = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
        ).to(device)
        self.device = device

    @torch.inference_mode()
    def __call__(self, picture: Picture) -> torch.Tensor:
        """Return ``(crops, 2048)``."""
        crops = torch.stack(picture.crops).mul(255).round().to(torch.uint8)
        return self.net(crops.to(self.device))[0].cpu()


def _inception_weights() -> Path:
    """Return the weights' file after a look that it holds tensors only: the port would run a pickle."""
    name = os.environ.get(INCEPTION_VARIABLE)
    where = (
        f"Fetch weights-inception-2015-12-05-6726825d.pth from torch-fidelity's releases and set "
        f"{INCEPTION_VARIABLE} to the file, or use kid-vgg."
    )
    if not name or not Path(name).is_file():
        problem = f"{name} is no file" if name else f"{INCEPTION_VARIABLE} is not set"
        raise ModelNotAvailable(
            Message("The weights of Inception-v3 are missing ({problem}).", problem=problem), where
        )
    from pickle import UnpicklingError

    try:
        state = torch.load(name, map_location="cpu", weights_only=True)
        whole = isinstance(state, dict) and "Mixed_7c.branch_pool.conv.weight" in state
    except (UnpicklingError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise ModelNotAvailable(
            Message("{name} cannot be read as weights ({reason}).", name=name, reason=error), where
        ) from error
    if not whole:
        raise ModelNotAvailable(
            Message("{name} does not hold the weights of Inception-v3.", name=name), where
        )
    return Path(name)


def needs(package: str) -> None:
    """Raise EngineError unless an optional package is installed."""
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise EngineError(
            FailureCode.ENGINE_MISSING,
            Message("This Python has no {package}.", package=package.replace("_", "-")),
            "pip install -r sync_engine/requirements/evaluation.txt",
        )


@cache
def set_features(kind: str, device: torch.device) -> VggFeatures | InceptionFeatures:
    """Return the features of ``vgg`` or ``inception``, loaded once."""
    return VggFeatures(device) if kind == "vgg" else InceptionFeatures(device)
