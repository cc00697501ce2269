# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as guides: a photo continued all round, a part of a picture repaired, a picture painted anew.

Kept parts are held in the latents at every step (``diffusion/keep_picture.py``) and pasted into the finished
picture, so that their pixels stay exactly. A whole picture with a strength begins its run at the noise level
of that strength (img2img; Meng et al. 2022, "SDEdit").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sync_engine.backbones.model import Model
from sync_engine.canvas import Canvas, placing
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.canvas.views import continued, cut_continued
from sync_engine.diffusion.keep_picture import KeepPicture, pasted
from sync_engine.diffusion.prediction import NoiseLevel
from sync_engine.guiding.masks import GuideError, cap_on_sphere, mask_picture
from sync_engine.interface.embedded import read_record
from sync_engine.interface.guides import Cap, Picture
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.interface.wording import Message
from sync_engine.pictures.read import read_picture
from sync_engine.radiance.srgb import from_linear

SHAPE_TOLERANCE = 0.02
"""A whole picture may be so much wider or narrower than the canvas."""
CAP_FEATHER = 0.1
"""A repaired cap has a border of this share of its radius."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What a job keeps of pictures, at the size of its canvas.

    Attributes:
        picture: ``(3, H, W)`` sRGB in [0, 1]; where nothing is kept, something to look at.
        mask: ``(H, W)``, 1 where every pixel is kept, less where it blends into what is new, 0 elsewhere.
        strength: of the whole picture, None where parts are kept.
        radiance: ``(3, H, W)`` linear light of a whole HDR picture, None of others.
        exposure: EV that its light has been given, so that what is new gets the same; None: nobody knows.
    """

    picture: torch.Tensor
    mask: torch.Tensor
    strength: float | None = None
    radiance: torch.Tensor | None = None
    exposure: float | None = None

    def paste(self, picture: torch.Tensor) -> torch.Tensor:
        """Return a finished picture ``(3, H, W)`` with what is kept in it; a larger one gets it enlarged."""
        if self.strength is not None:
            return picture
        kept, mask = self.picture, self.mask
        if picture.shape != kept.shape:
            size = (picture.shape[1], picture.shape[2])
            kept = _resized(kept, size).clamp(0, 1)
            mask = torch.nn.functional.interpolate(mask[None, None], size, mode="nearest")[0, 0]
        return pasted(picture, kept.to(picture), mask.to(picture))

    @torch.no_grad()
    def latents(self, model: Model, canvas: Canvas) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the picture's latents in the canvas's layout, and which cells are kept, ``(N, 1, h, w)``."""
        windows = cut(self.picture, canvas, model.scale)
        masks = cut((self.mask >= 1).float()[None], canvas, model.scale)
        encoded = [model.encode_picture(w[None].mul(2).sub(1).to(model.device)).float() for w in windows]
        whole = (masks[:, 0] > 0.999).float()  # bicubic views of a mask have soft edges
        cells = torch.stack([placing.cells_inside(mask, model.scale) for mask in whole])[:, None]
        latents, kept = torch.cat(encoded), cells.to(model.device)
        if isinstance(canvas, PlaneCanvas):  # one sheet under the windows
            return canvas.fuse(latents), (canvas.fuse(kept) >= 1 - 1e-4).float()
        return latents, kept

    def paste_light(self, radiance: np.ndarray) -> np.ndarray:
        """Return a world's light ``(H, W, 3)`` with the light of what is kept in it, where the mask is 1.

        Where the kept picture is no HDR file, and of a picture that is painted anew, the light stays.
        """
        size = (radiance.shape[0], radiance.shape[1])
        if self.radiance is None or self.strength is not None or tuple(self.mask.shape) != size:
            return radiance
        light = self.radiance.permute(1, 2, 0).numpy()
        return np.where((self.mask == 1).numpy()[..., None], light, radiance).astype(radiance.dtype)

    def begin(
        self, model: Model, canvas: Canvas, noise: torch.Tensor, noise_levels: Sequence[NoiseLevel]
    ) -> tuple[int, torch.Tensor]:
        """Return the first step of a run that paints the picture anew, and its state.

        Args:
            model: encodes the picture.
            canvas: in whose layout the state is.
            noise: standard normal, in that layout.
            noise_levels: of a whole run; so much of its end is run as ``strength`` says, one step at least.
        """
        steps = len(noise_levels)
        start = min(round(steps * (1 - (self.strength or 0.0))), steps - 1)
        if start == 0:
            return 0, noise
        clean, _ = self.latents(model, canvas)
        return start, noise_levels[start].noised(clean, noise.to(clean))

    def guide(self, model: Model, canvas: Canvas, generator: torch.Generator) -> KeepPicture:
        """Return what holds the state to the kept parts at each step."""
        clean, cells = self.latents(model, canvas)
        noise = canvas.noise(model.channels, generator).to(clean)
        return KeepPicture(clean, cells, noise)


def kept_of(spec: EnvironmentSpec) -> Kept | None:
    """Return what a job keeps of its picture guides, the later ones above the earlier; None without any.

    Raises:
        GuideError: a picture has another shape than the canvas, or nothing of it would be kept.
        UnreadablePicture: a file cannot be read.
    """
    total: Kept | None = None
    for number, guide in enumerate(spec.guides):
        if isinstance(guide, Picture):
            found = _photo(number, guide, spec) if guide.is_placed else _whole(number, guide, spec)
            total = found if total is None else _over(total, found)
    return total


def cut(picture: torch.Tensor, canvas: Canvas, scale: int) -> torch.Tensor:
    """Return what the windows here see of a picture ``(C, H, W)``: ``(V, C, h·scale, w·scale)``."""
    if isinstance(canvas, SphereCanvas):
        source, size = continued(picture), canvas.window * scale
        return torch.cat(
            [cut_continued(source, view, size) for view in map(canvas.views.__getitem__, canvas.numbers)]
        )
    assert isinstance(canvas, PlaneCanvas)
    wide = torch.cat([picture, picture[..., : canvas.window_width * scale]], dim=-1)
    height, width = (side * scale for side in canvas.window_size)
    corners = [(top * scale, left * scale) for top, left in map(canvas.corners.__getitem__, canvas.numbers)]
    return torch.stack([wide[:, top : top + height, left : left + width] for top, left in corners])


def _photo(number: int, guide: Picture, spec: EnvironmentSpec) -> Kept:
    pixels, _ = _read(number, guide.file)
    height, width = spec.pixel_height, spec.width
    if spec.kind == "plate":
        place = (0.5 if guide.x is None else guide.x, 0.5 if guide.y is None else guide.y)
        picture, mask = placing.on_plate(pixels, *place, guide.width or 0.5, height, width)
        feather = guide.feather * height
    else:
        fov = guide.fov or 60.0
        picture, mask = placing.on_sphere(pixels, guide.azimuth or 0.0, guide.elevation or 0.0, fov, height)
        feather = guide.feather / 180 * height
    if not bool(mask.any()):
        raise GuideError(
            Message("guides[{number}]: the photo is outside of the picture.", number=number),
            "Move it into the picture.",
        )
    wrap = spec.kind == "world"
    return Kept(picture.clamp(0, 1), placing.feathered_inside(mask, round(feather), wrap))


def _whole(number: int, guide: Picture, spec: EnvironmentSpec) -> Kept:
    exposure = exposure_of(Path(guide.file))
    pixels, radiance = _read(number, guide.file, exposure or 0.0)
    size = (spec.pixel_height, spec.width)
    off = pixels.shape[2] / pixels.shape[1] / (spec.width / spec.pixel_height)
    if abs(off - 1) > SHAPE_TOLERANCE:
        raise GuideError(
            Message(
                "guides[{number}]: the picture {file} is {width} × {height} pixels, "
                "another shape than what is painted.",
                number=number,
                file=guide.file,
                width=pixels.shape[2],
                height=pixels.shape[1],
            ),
            "Use its width and height, or give fov (on a plate width) to place it as a photo.",
        )
    picture = _resized(pixels, size).clamp(0, 1)
    light = None if radiance is None else _resized(radiance, size).clamp(min=0)
    if guide.strength is not None:
        return Kept(picture, torch.zeros(size), guide.strength, light, exposure)
    anew = _painted_anew(guide, spec)
    wrap = spec.kind == "world"
    share = guide.feather * size[0] if spec.kind == "plate" else guide.feather / 180 * size[0]
    kept = placing.feathered_inside((anew <= 0).float(), round(share), wrap)
    if not bool(kept.any()):
        raise GuideError(
            Message("guides[{number}]: nothing of the picture is kept.", number=number),
            "Paint less of the mask white.",
        )
    return Kept(picture, kept, None, light, exposure)


def _painted_anew(guide: Picture, spec: EnvironmentSpec) -> torch.Tensor:
    """Return where a whole picture is painted anew, ``(H, W)`` in [0, 1]."""
    height, width = spec.pixel_height, spec.width
    if guide.mask:
        field = mask_picture(Path(guide.mask), width / height, spec.kind == "world")
    else:
        radius = guide.radius or 20.0
        middle = (guide.azimuth or 0.0, guide.elevation or 0.0)
        field = cap_on_sphere(Cap(middle, radius, CAP_FEATHER * radius))
    y = (torch.arange(height, dtype=torch.float64) + 0.5) / height
    x = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    rows = []
    for row in y.split(128):  # memory does not grow with the picture
        down, along = torch.meshgrid(row, x, indexing="ij")
        rows.append(field(torch.stack([along.flatten(), down.flatten()], dim=1)).reshape(down.shape))
    return torch.cat(rows).float()


def _over(below: Kept, above: Kept) -> Kept:
    if below.strength is not None or above.strength is not None:
        raise GuideError(
            "A picture with a strength is painted anew as a whole: it cannot stand beside another picture.",
            "Leave one of them out.",
        )
    picture = torch.where(above.mask > 0, above.picture, below.picture)
    return Kept(picture, torch.maximum(above.mask, below.mask))


def exposure_of(path: Path) -> float | None:
    """Return the exposure (EV) that a world of ours was given; None of any other picture."""
    try:
        light = read_record(path).get("light")
    except SpecError:  # not one of ours
        return None
    return float(light.get("exposure", 0.0)) if isinstance(light, dict) else None


def _read(number: int, file: str, exposure: float = 0.0) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return a picture as sRGB ``(3, H, W)`` without its exposure, and its light where it is an HDR file."""
    read = read_picture(Path(file))
    pixels = torch.from_numpy(read.pixels).permute(2, 0, 1).float()
    if not bool(pixels.isfinite().all()):
        raise GuideError(
            Message("guides[{number}]: {file} has pixels that are no numbers.", number=number, file=file),
            "Repair them first.",
        )
    if not read.linear:
        return pixels, None
    shown = torch.from_numpy(from_linear((read.pixels * 2.0**-exposure).clip(0, 1))).permute(2, 0, 1).float()
    return shown, pixels


def _resized(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if tuple(picture.shape[1:]) == size:
        return picture
    antialias = picture.shape[1] > size[0]
    return torch.nn.functional.interpolate(
        picture[None], size, mode="bicubic", antialias=antialias, align_corners=False
    )[0]
