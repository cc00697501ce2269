"""The engine's own views, fused as pixels: decoded, blended on the sphere, cut again and encoded."""

from __future__ import annotations

from typing import Any

import torch

from sync_engine.canvas.blending import blend
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.canvas.views import continued, cut_continued

HEIGHT = 1024


class PixelCanvas(SphereCanvas):
    """``fuse`` goes through the decoder and the encoder; the rest is as in the engine."""

    def __init__(self, backbone: Any) -> None:
        super().__init__(backbone.window)
        self.backbone = backbone

    def fuse(self, windows: torch.Tensor) -> torch.Tensor:
        """Blend the decoded views and encode what each view sees of the blend."""
        model, size = self.backbone, self.window * self.backbone.scale
        pictures = ((view, model.decode(windows[i : i + 1])) for i, view in enumerate(self.views))
        whole = continued(blend(pictures, HEIGHT))
        views = (cut_continued(whole, view, size).to(windows) for view in self.views)
        return torch.cat([model.encode_picture(view) for view in views])
