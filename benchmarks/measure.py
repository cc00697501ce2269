# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of one picture, kept beside the gallery so that a run can go on where it stopped."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gallery import Case, Gallery
from sync_engine.common.device import choose_device
from sync_engine.evaluation import metrics, picture
from sync_engine.evaluation.features import VggFeatures
from sync_engine.evaluation.metrics import Needs
from sync_engine.sync.feature_nets import lpips_weights

METRICS = (
    "intra-lpips",
    "intra-lpips-alex",
    "intra-style",
    "discontinuity",
    "horizon",
    "poles",
    "detail",
    "repetition",
)
WEIGHTLESS = ("discontinuity", "horizon", "poles", "detail", "repetition")

log = logging.getLogger(__name__)


class Measure:
    """Measures pictures with every metric of ``METRICS``, the evaluator and KID's features.

    Without the LPIPS weights (``SYNCSCAPE_LPIPS``) only what needs none is measured.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        weights = lpips_weights("vgg")
        self.whole = weights is not None and lpips_weights("alex") is not None
        self.metrics = metrics.build(list(METRICS if self.whole else WEIGHTLESS), Needs())
        self.features = VggFeatures(choose_device("auto")) if self.whole else None
        self.evaluator, self.version = None, "without weights"
        if weights is None or not self.whole:
            log.warning("SYNCSCAPE_LPIPS has no vgg and alex: no Intra-LPIPS, style, KID or prompt fidelity")
            return
        from training.evaluator import HEAD_FILE, Evaluator

        self.evaluator = Evaluator(weights)
        self.version = hashlib.sha256(HEAD_FILE.read_bytes()).hexdigest()[:8]

    def case(self, gallery: Gallery, case: Case) -> dict[str, Any]:
        """Return the figures of a generated picture: the metrics', the evaluator's answers, the cost."""
        folder = gallery.result(case)
        image = folder / ("world.exr" if case.kind == "world" else "plate.png")
        return self.file(f"{gallery.name}/{case.name}", image, case.kind) | {"cost": gallery.cost(case)}

    def file(self, name: str, image: Path, kind: str) -> dict[str, Any]:
        """Return the figures of a file, measured now if they are not kept."""
        kept = self.folder / f"{name}.json"
        if kept.is_file():
            found = json.loads(kept.read_text())
            if found["version"] == self.version:
                return found
        seen = picture.read(image, kind)
        figures: dict[str, float] = {}
        for metric in self.metrics.values():
            figures |= metric.measure(seen)
        found = {"version": self.version, "figures": figures, "answers": self._judge(seen)}
        kept.parent.mkdir(parents=True, exist_ok=True)
        if self.features is not None:
            np.save(kept.with_suffix(".npy"), self.features(seen).numpy())
        kept.write_text(json.dumps(found))
        return found

    def crop_features(self, names: list[str]) -> torch.Tensor:
        """Return KID's features ``(N, 512)`` of all crops of measured pictures."""
        return torch.cat([torch.from_numpy(np.load(self.folder / f"{name}.npy")) for name in names])

    def _judge(self, seen: picture.Picture) -> dict[str, str]:
        if self.evaluator is None:
            return {}
        from training.evaluator import panel

        signed = seen.pixels * 2 - 1
        views = panel(signed) if seen.kind == "world" else torch.stack(seen.crops) * 2 - 1
        return self.evaluator.judge(views)
