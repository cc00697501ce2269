# SPDX-License-Identifier: GPL-3.0-or-later
"""A canvas of one window over a whole 2:1 picture, for models and LoRAs that paint 360° panoramas.

Such a model was trained on whole equirectangular pictures: a square window over a part of one would become
a panorama of its own. It sees all of the sheet at once, turned around the vertical by another angle at each
step, so that its left and right edge are inside the picture at most steps and grow together. A turn is a
rotation by whole cells: nothing noisy is interpolated. The window reaches a little around on both sides, and
what it sees twice is blended: without that the edge of the last steps stays as a faint line.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from sync_engine.canvas.passes import TOLERANCE
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.tiled_decode import decode_plane

TURN_CELLS = 8
"""Turns are by a multiple of so many cells: the finest layers of every family keep their grid."""
AROUND_CELLS = 8
"""How far the window reaches around on each side."""
GOLDEN = 0.6180339887498949
"""The turns of successive steps, as shares of a whole one, lie nowhere near each other (golden section)."""


class PanoramaCanvas(PlaneCanvas):
    """Latents ``(1, C, h, 2·h)`` that one window covers; the state is the sheet as it is, not turned.

    Args:
        height: of the sheet in latent cells: the trained side of the model's square pictures, whose
            panoramas are twice as wide.
        scale: pixels of a latent cell.
    """

    def __init__(self, height: int, scale: int) -> None:
        self.scale = scale
        super().__init__(height, 2 * height, 2 * height, 2 * height, uniform=True)
        self.wrap = True
        self._shift, self._around = 0, min(AROUND_CELLS, self.width // 4)
        self.window_width = self.width + 2 * self._around
        inward = torch.arange(self.window_width) + 0.5
        self._share = torch.minimum(inward, inward.flip(0)).clamp(max=2 * self._around) / (2 * self._around)

    def turn(self, step: int) -> None:
        """Turn what ``gather`` and ``fuse`` do by the angle of a step."""
        self._shift = round(step * GOLDEN * self.width / TURN_CELLS) * TURN_CELLS % self.width

    def gather(self, state: torch.Tensor) -> torch.Tensor:
        """Return the one window ``(1, C, h, 2·h + 16)``: the sheet, turned, with its own continuation."""
        turned = state.roll(self._shift, -1)
        return torch.cat([turned[..., -self._around :], turned, turned[..., : self._around]], dim=-1)

    def fuse(self, windows: torch.Tensor, coarse: bool = False) -> torch.Tensor:
        """Return the sheet that a turned window shows, turned back; what it shows twice is blended."""
        around = self._around
        seen = windows * self._share.to(windows)
        sheet = seen[..., around:-around].clone()
        sheet[..., -around:] += seen[..., :around]
        sheet[..., :around] += seen[..., -around:]
        total = self._share[around:-around].clone()
        total[-around:] += self._share[:around]
        total[:around] += self._share[-around:]
        return (sheet / total.to(sheet)).roll(-self._shift, -1)

    def heights(self, wanted: int, scale: int) -> list[int]:
        """Return the height after each pass: the trained one, then detail passes that double it."""
        native = self.height * scale
        found = [min(wanted, native) if wanted > native * TOLERANCE else wanted]
        while found[-1] < wanted:
            found.append(min(2 * found[-1], wanted))
        return found

    def decode(
        self,
        decode: Callable[[torch.Tensor], torch.Tensor],
        x0: torch.Tensor,
        height: int,
        on_part: Callable[[int, int], None],
    ) -> torch.Tensor:
        """Decode the sheet, circular in longitude, into a picture ``(3, height, 2·height)`` in [0, 1]."""
        picture = decode_plane(decode, x0, self.scale, True, on_part)
        if picture.shape[1] == height:
            return picture
        size = (height, 2 * height)
        smaller = torch.nn.functional.interpolate(
            picture[None], size, mode="bicubic", antialias=True, align_corners=False
        )
        return smaller[0].clamp_(0, 1)
