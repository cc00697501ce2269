# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture that a job makes larger: read for the detail passes, and their result given its light back.

The passes see the picture as a screen would show it. Where it is clipped there, at the sun say, the light
stays what it was; elsewhere the passes' picture is the light. An autoencoder shifts colours a little and
loses fine texture: what the passes have painted is brought to reduce to the picture it was painted from, by
iterative back-projection (Irani & Peleg 1991, "Improving resolution by image registration").
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate, pad

from sync_engine.canvas.sphere import OVERLAP, yaw_of_seed
from sync_engine.canvas.views import layout
from sync_engine.common.errors import EngineError
from sync_engine.interface.embedded import read_record
from sync_engine.interface.memory import PIXEL_BYTES
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.interface.wording import Message
from sync_engine.pictures.panorama import LDR_MOST, read_panorama
from sync_engine.pictures.picture import ensure_memory
from sync_engine.prompting import sun_in_prompt
from sync_engine.radiance.directions import reduced, solid_angles
from sync_engine.radiance.expand import Expanded, expand
from sync_engine.radiance.srgb import from_linear, to_linear

RESULT_PIXEL_BYTES = 120
"""What a pixel of the larger picture takes at most: the pictures before and after, their light, the blend."""
SHOWN_SHARE, SHOWN_LEVEL = 0.95, 0.9
"""The exposure in which a foreign HDR picture is seen: in this share of the sphere no channel exceeds it."""
CLIPPED_FROM = 0.9
"""From this level of a channel up to 1 the picture's own light takes over in it."""
BACK_PROJECTIONS = 6


@dataclass(frozen=True, eq=False)
class Enlargement:
    """What is known of the picture that is made larger.

    Attributes:
        shown: ``(3, h, 2·h)`` sRGB in [0, 1], without its exposure.
        radiance: ``(3, h, 2·h)`` linear light of an HDR picture, None of an 8-bit one.
        exposure: EV between ``shown`` and ``radiance``.
        light: the report of what the lights of a world of ours are, empty for others.
        sky: the sun or the moon in it, None if unknown.
    """

    shown: torch.Tensor
    radiance: torch.Tensor | None
    exposure: float
    light: dict[str, Any]
    sky: sun_in_prompt.Luminary | None

    @classmethod
    def of(cls, spec: EnvironmentSpec) -> Enlargement | None:
        """Read the picture of a spec that enlarges one; None for any other spec.

        Raises:
            EngineError: it is not 2:1, as large already, or has pixels that are no numbers.
            OutOfMemory: it would not fit; nothing was decoded.
            UnreadablePicture: it cannot be read.
        """
        if not spec.enlarge:
            return None
        path = Path(spec.enlarge)
        read = read_panorama(path, lambda width, height: _check(path, width, height, spec))
        light, sky = _known(path, spec)
        if not read.linear or float(read.pixels.max()) <= LDR_MOST:
            shown = from_linear(read.pixels.clip(0, 1)) if read.linear else read.pixels.clip(0, 1)
            return cls(_chw(shown), None, 0.0, {}, sky)
        exposure = float(light["exposure"]) if "exposure" in light else _exposure(read.pixels)
        shown = from_linear((read.pixels * np.float32(2.0**-exposure)).clip(0, 1))
        return cls(_chw(shown), _chw(read.pixels.clip(0)), exposure, light, sky)

    def heights(self, wanted: int) -> list[int]:
        """Return the picture's height after each pass; the last is ``wanted``."""
        found = [min(2 * self.shown.shape[1], wanted)]
        while found[-1] < wanted:
            found.append(min(2 * found[-1], wanted))
        return found

    def lit(self, picture: np.ndarray, spec: EnvironmentSpec) -> Expanded:
        """Return the light of the larger picture ``(H, 2·H, 3)`` in [0, 1], and the report on it."""
        height = picture.shape[0]
        if self.radiance is None:
            enlarged = _hwc(_enlarged(self.shown, height).clamp(0, 1))
            found = expand(enlarged, spec.sun_stops, spec.ldr, spec.exposure)
            light, report = _chw(found.radiance), found.report
        else:
            light = _enlarged(self.radiance, height).clamp(min=0)
            report = self.light or {"lights": [], "k": 0.0, "ldr": False, "sun_stops": None}
            report = report | {"exposure": round(self.exposure, 3)}
        scale = 2.0 ** float(report["exposure"])
        new = self._consistent(_chw(to_linear(picture)) * scale, scale)
        clipped = ((light / scale - CLIPPED_FROM) / (1 - CLIPPED_FROM)).clamp(0, 1)
        return Expanded(torch.lerp(new, light, clipped).permute(1, 2, 0).contiguous().numpy(), report)

    def _consistent(self, new: torch.Tensor, scale: float) -> torch.Tensor:
        """Return the passes' light ``(3, H, W)``, changed so that it reduces to the picture that it is of."""
        source = self.radiance if self.radiance is not None else _chw(to_linear(_hwc(self.shown))) * scale
        source = source.clamp(max=scale)
        size = (source.shape[1], source.shape[2])
        for _ in range(BACK_PROJECTIONS):
            lacking_there = source - interpolate(new[None], size, mode="area")[0]
            new = (new + _enlarged(lacking_there, new.shape[1])).clamp_(min=0)
        return new


def _check(path: Path, width: int, height: int, spec: EnvironmentSpec) -> None:
    """Raise for a picture that cannot be made larger, before it is decoded."""
    if width >= spec.width:
        raise _bad(
            Message("width = {width}: {path} is {own} wide already.", width=spec.width, path=path, own=width),
            "Choose a larger width.",
        )
    needed = width * height * PIXEL_BYTES + spec.width * spec.pixel_height * RESULT_PIXEL_BYTES
    ensure_memory(path, needed)


def _known(path: Path, spec: EnvironmentSpec) -> tuple[dict[str, Any], sun_in_prompt.Luminary | None]:
    """Return the report on a picture's light, and what stands in its sky, where it is one of ours."""
    try:
        record = read_record(path)
    except SpecError:  # of another program
        return {}, None
    light = record.get("light")
    light = light if isinstance(light, dict) else {}
    for found in light.get("lights", []):
        if found.get("kind") == "sun":
            return light, sun_in_prompt.Luminary("sun", float(found["azimuth"]), float(found["elevation"]))
    made = record.get("spec")
    seed = made.get("seed") if isinstance(made, dict) and made.get("prompt") == spec.prompt else None
    if not isinstance(seed, int):
        return light, None
    turn = yaw_of_seed(seed)
    views = [view for row in layout(90.0, OVERLAP) for view in row]
    sky = sun_in_prompt.sky_of(spec.prompt, seed, views)
    return light, None if sky is None else sky._replace(azimuth=sky.azimuth + turn)


def _exposure(radiance: np.ndarray) -> float:
    """Return the EV below which a foreign HDR picture is seen well."""
    brightest = reduced(radiance, 512).max(axis=-1)
    order = brightest.argsort(axis=None)
    area = np.broadcast_to(solid_angles(*brightest.shape), brightest.shape).ravel()[order].cumsum()
    level = brightest.ravel()[order[min(np.searchsorted(area, SHOWN_SHARE * area[-1]), len(order) - 1)]]
    return float(np.log2(max(level, 1e-6) / SHOWN_LEVEL))


def _enlarged(picture: torch.Tensor, height: int) -> torch.Tensor:
    """Return an equirectangular picture ``(C, h, w)`` at a larger height, bilinear, without a seam."""
    around = pad(picture[None], (1, 1, 0, 0), mode="circular")
    step = height / picture.shape[1]
    size = (height, round((picture.shape[2] + 2) * step))
    larger = interpolate(around, size, mode="bilinear", align_corners=False)[0]
    start = round(step)
    return larger[..., start : start + 2 * height]


def _hwc(picture: torch.Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).numpy()


def _chw(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32))


def _bad(message: Message, hint: str) -> EngineError:
    return EngineError(FailureCode.BAD_SPEC, message, hint)
