# SPDX-License-Identifier: GPL-3.0-or-later
"""What FID, KID and GIQA share: features of the crops, and features of the reference's pictures."""

from __future__ import annotations

from pathlib import Path

import torch

from sync_engine.common.errors import EngineError
from sync_engine.evaluation import picture as pictures
from sync_engine.evaluation.features import set_features
from sync_engine.evaluation.metric import Figures, Metric
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message


class AgainstReference(Metric):
    """A metric that compares a set of pictures, by their crops, with a folder of others.

    Args:
        device: where the net runs.
        features: ``inception`` or ``vgg``.
        reference: folder of pictures: single images of the model, photographs, or results.
    """

    def __init__(self, device: torch.device, features: str, reference: Path | None) -> None:
        if reference is None or not reference.is_dir():
            raise EngineError(
                FailureCode.BAD_SPEC,
                "There is nothing to compare with."
                if reference is None
                else Message(
                    "There is nothing to compare with: reference = {reference} is no folder.",
                    reference=reference,
                ),
                "Name a folder of pictures with --reference.",
            )
        self.extract = set_features(features, device)
        self.reference = reference_features(features, device, reference)
        self.seen: list[torch.Tensor] = []

    def measure(self, picture: pictures.Picture) -> Figures:
        """Take the picture's crops in."""
        self.seen.append(self.extract(picture))
        return {}


_references: dict[tuple[str, torch.device, Path], torch.Tensor] = {}


def reference_features(kind: str, device: torch.device, folder: Path) -> torch.Tensor:
    """Return the features ``(N, D)`` of a folder's pictures, read once."""
    key = (kind, device, folder.resolve())
    if key not in _references:
        extract = set_features(kind, device)
        _references[key] = torch.cat([extract(pictures.read(file)) for file in pictures.find([folder])])
    return _references[key]
