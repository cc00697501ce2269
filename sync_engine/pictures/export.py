# SPDX-License-Identifier: GPL-3.0-or-later
"""Panoramas for other programs: EXR, Radiance HDR, PNG and JPEG with GPano tags, cube faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sync_engine.interface.durable import written_beside
from sync_engine.radiance.srgb import from_linear

FACES = {
    "px": (0.0, 0.0),
    "nx": (180.0, 0.0),
    "py": (90.0, 0.0),
    "ny": (-90.0, 0.0),
    "pz": (0.0, 90.0),
    "nz": (0.0, -90.0),
}
"""A face's name, by the axis that it looks along (+Z is up), and its azimuth and elevation in degrees."""
JPEG_QUALITY = 95
GPANO = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" '
    'GPano:ProjectionType="equirectangular" GPano:UsePanoramaViewer="True" '
    'GPano:FullPanoWidthPixels="{width}" GPano:FullPanoHeightPixels="{height}" '
    'GPano:CroppedAreaImageWidthPixels="{width}" GPano:CroppedAreaImageHeightPixels="{height}" '
    'GPano:CroppedAreaLeftPixels="0" GPano:CroppedAreaTopPixels="0"/></rdf:RDF></x:xmpmeta>'
)
"""What panorama viewers ask for (Google, Photo Sphere XMP metadata)."""


def write_exr(path: Path, radiance: np.ndarray) -> None:
    """Write linear Rec.709 ``(H, W, 3)`` as a half-float EXR, DWAA; above 65,504 it holds that number."""
    import OpenEXR

    header = {"compression": OpenEXR.DWAA_COMPRESSION, "type": OpenEXR.scanlineimage}
    header["chromaticities"] = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
    half = np.clip(radiance, 0, np.finfo(np.float16).max).astype(np.float16)

    with written_beside(path) as part, OpenEXR.File(header, {"RGB": np.ascontiguousarray(half)}) as file:
        try:
            file.write(str(part))
        except RuntimeError as error:  # what OpenEXR raises when the disk is full
            raise OSError(str(error)) from error


def write_hdr(path: Path, radiance: np.ndarray) -> None:
    """Write linear Rec.709 ``(H, W, 3)`` as Radiance RGBE, packed line by line (Ward, Graphics Gems II.5)."""
    height, width = radiance.shape[:2]
    head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n".encode()
    line_head = bytes((2, 2, width >> 8, width & 255))
    packed = 8 <= width < 32768

    with written_beside(path) as part, part.open("wb") as file:
        file.write(head)
        for row in rgbe(radiance):
            if not packed:
                file.write(row.tobytes())
                continue
            file.write(line_head)
            for component in row.T:
                file.write(_literal_runs(component.tobytes()))


def rgbe(radiance: np.ndarray) -> np.ndarray:
    """Return light ``(..., 3)`` as bytes ``(..., 4)``: three mantissas and the exponent they share."""
    light = np.maximum(radiance, 0.0).astype(np.float64)
    largest = light.max(axis=-1)
    mantissa, exponent = np.frexp(largest)
    scale = np.divide(mantissa * 256.0, largest, out=np.zeros_like(largest), where=largest > 1e-32)
    found = np.zeros((*radiance.shape[:-1], 4), dtype=np.uint8)
    found[..., :3] = np.minimum(light * scale[..., None], 255.0)
    found[..., 3] = np.where(largest > 1e-32, np.clip(exponent + 128, 0, 255), 0)
    return found


def _literal_runs(component: bytes) -> bytes:
    pieces = (component[start : start + 128] for start in range(0, len(component), 128))
    return b"".join(bytes((len(piece),)) + piece for piece in pieces)


def write_8bit(path: Path, radiance: np.ndarray, exposure: float = 0.0) -> None:
    """Write a panorama as sRGB PNG or JPEG by its suffix, with GPano tags; what is above white is white.

    Args:
        radiance: ``(H, W, 3)`` linear Rec.709.
        exposure: EV applied before.
    """
    from PIL import Image, PngImagePlugin

    shown = from_linear(np.clip(radiance * 2.0**exposure, 0, 1))
    image = Image.fromarray(np.round(shown * 255).astype(np.uint8))
    xmp = GPANO.format(width=image.width, height=image.height)

    with written_beside(path) as part:
        if path.suffix.lower() == ".png":
            info = PngImagePlugin.PngInfo()
            info.add_itxt("XML:com.adobe.xmp", xmp)
            image.save(part, format="PNG", pnginfo=info)
        else:
            image.save(part, format="JPEG", quality=JPEG_QUALITY, subsampling=0, xmp=xmp.encode())


def cube_faces(radiance: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Return the six faces ``(size, size, 3)`` of the cube around the viewer, each seen from inside.

    Args:
        radiance: ``(H, 2·H, 3)`` linear light.
        size: pixels along an edge.
    """
    import torch

    from sync_engine.canvas.views import View, continued, cut_continued

    whole = continued(torch.from_numpy(np.ascontiguousarray(radiance.transpose(2, 0, 1))))
    faces = {}
    for name, (azimuth, elevation) in FACES.items():
        face = cut_continued(whole, View(azimuth, elevation, 90.0), size)[0]
        faces[name] = face.clamp(min=0).permute(1, 2, 0).contiguous().numpy()
    return faces
