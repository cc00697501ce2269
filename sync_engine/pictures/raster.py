# SPDX-License-Identifier: GPL-3.0-or-later
"""PNG, JPEG, TIFF, WebP and the like, by Pillow: orientation, crop of a panorama, colour profile, depth."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from sync_engine.interface.picture_files import PNG_MAGIC, DamagedPicture, open_regular, png_chunks, png_size
from sync_engine.interface.wording import Message, joined
from sync_engine.pictures.picture import (
    BLACK_AROUND,
    CheckSize,
    ReadPicture,
    UnreadablePicture,
    placed,
    refuse_transparent,
)

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "TGA", "PPM", "JPEG2000", "AVIF")
"""Of Pillow's formats those of pictures; none that calls another program, as EPS does."""
EXIF_ORIENTATION = 0x0112
ON_ITS_SIDE = (5, 6, 7, 8)
MOST_METADATA = 2**20
"""Longer profiles and texts are left out before the decoder sees them."""
PNG_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB")
_GPANO = re.compile(rb"GPano:(\w+)(?:\s*=\s*[\"']|>)\s*([\w.+-]+)")
GPANO_PLACE = (
    "FullPanoWidthPixels",
    "FullPanoHeightPixels",
    "CroppedAreaImageWidthPixels",
    "CroppedAreaImageHeightPixels",
    "CroppedAreaLeftPixels",
    "CroppedAreaTopPixels",
)
HINT = "Name a PNG, JPEG, WebP, TIFF, HDR or EXR."
TIFF_HINT = "Of TIFFs those of 8 or 16 bits and those of floats in grey are read; save others as EXR."


def read(path: Path, check_size: CheckSize) -> ReadPicture:
    """Read the first picture of a file; of a float TIFF linear light, of others sRGB."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # check_size is the limit, and stricter
    try:
        with Image.open(_source(path), formats=FORMATS) as image:
            notes: list[str] = []
            # Of a PNG without EXIF data Pillow would look behind its pixels, and decode them for it.
            has_exif = "exif" in image.info or image.format != "PNG"
            orientation = image.getexif().get(EXIF_ORIENTATION, 1) if has_exif else 1
            width, height = reversed(image.size) if orientation in ON_ITS_SIDE else image.size
            place = _place(path, image, width, height, notes)
            check_size(*(place[2:] if place else (width, height)))
            image.load()
            upright = ImageOps.exif_transpose(image)
            profile = image.info.get("icc_profile")
            pixels, linear = _pixels(path, upright, profile, notes)
    except (UnreadablePicture, DamagedPicture):
        raise
    except UnidentifiedImageError as error:
        raise UnreadablePicture(path, "is no picture that can be read", _hint(path)) from error
    except Exception as error:  # whatever a decoder raises on a damaged file
        raise UnreadablePicture(
            path, Message("cannot be read as a picture ({words})", words=_words(error)), HINT
        ) from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    if place:
        notes.append(BLACK_AROUND)
        pixels = placed(pixels, *place)
    return ReadPicture(pixels, linear, notes)


def _hint(path: Path) -> str:
    with open_regular(path) as file:
        is_tiff = file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    return joined(HINT, TIFF_HINT) if is_tiff else HINT


def _words(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__


def _source(path: Path) -> Path | io.BytesIO:
    """Return what Pillow opens: of a PNG the chunks that are needed, what tells about the pixels first."""
    with open_regular(path) as file:
        if file.read(len(PNG_MAGIC)) != PNG_MAGIC:
            return path
        file.seek(0)
        png_size(file)
        before, behind = io.BytesIO(PNG_MAGIC), io.BytesIO()
        before.seek(len(PNG_MAGIC))
        for kind, size in png_chunks(file):
            if kind in PNG_KEPT or (size <= MOST_METADATA and kind in (b"iCCP", b"eXIf", b"iTXt")):
                body = file.read(size + 4)
                if kind in PNG_KEPT or _is_small(kind, body[:-4]):
                    part = behind if kind in (b"IDAT", b"IEND") else before
                    part.write(struct.pack(">I4s", size, kind) + body)
        return io.BytesIO(before.getvalue() + behind.getvalue())


def _is_small(kind: bytes, body: bytes) -> bool:
    """Tell whether a chunk does not unpack to more than ``MOST_METADATA``; packed texts are not needed."""
    if kind == b"iTXt":
        return body.startswith(b"XML:com.adobe.xmp\0\0")
    if kind == b"iCCP":
        packed = body.partition(b"\0")[2][1:]
        unpacker = zlib.decompressobj()
        try:
            unpacker.decompress(packed, MOST_METADATA)
        except zlib.error:
            return False
        return unpacker.eof
    return True


def _place(
    path: Path, image: Image.Image, width: int, height: int, notes: list[str]
) -> tuple[int, int, int, int] | None:
    """Return left, top, and the whole picture's width and height, of a part of a panorama (GPano tags)."""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    data = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    found = {name.decode(): value for name, value in _GPANO.findall(data[:MOST_METADATA])}
    projection = found.get("ProjectionType", b"equirectangular").decode("latin-1")
    if projection != "equirectangular":
        raise UnreadablePicture(
            path, Message("is a {projection} panorama", projection=projection), "Give an equirectangular one."
        )
    if not all(name in found for name in GPANO_PLACE):
        return None
    try:
        full_width, full_height, part_width, part_height, left, top = (float(found[n]) for n in GPANO_PLACE)
        scale = width / part_width  # the part may have been made smaller since
        place = tuple(round(value * scale) for value in (left, top, full_width, full_height))
        fits = 0 <= place[0] <= place[2] - width and 0 <= place[1] <= place[3] - height
        if not fits or abs(part_height * scale - height) > 1.5 or 0 in place[2:]:
            raise ValueError
    except (ValueError, ZeroDivisionError, OverflowError):
        notes.append("Its GPano tags make no sense and are ignored.")
        return None
    return None if place[2:] == (width, height) else place  # type: ignore[return-value]


def _pixels(path: Path, image: Any, profile: bytes | None, notes: list[str]) -> tuple[np.ndarray, bool]:
    """Return ``(H, W, 3)`` float32 and whether it is linear light."""
    if "A" in image.getbands() or "transparency" in image.info:
        lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
        refuse_transparent(path, lowest / 255)
    if image.mode == "F":
        notes.append("Its numbers are floats and are read as linear light.")
        return np.repeat(np.asarray(image, dtype=np.float32)[..., None], 3, axis=-1), True
    if image.mode.startswith("I"):
        grey = np.asarray(image, dtype=np.float32)
        if grey.size and not 0 <= grey.min() <= grey.max() <= 65535:
            raise UnreadablePicture(path, "has whole numbers beyond 65535", "Save it with 16 bits.")
        return np.repeat(grey[..., None] / 65535, 3, axis=-1), False
    if profile and image.mode in ("RGB", "L", "CMYK", "RGBA", "LA"):
        converted = _converted(image, profile, notes)
        if converted is not None:
            image = converted
    return np.asarray(image.convert("RGB"), dtype=np.float32) / 255, False


def _converted(image: Any, profile: bytes, notes: list[str]) -> Any:
    """Return the picture in sRGB by its profile; None where that is not needed or cannot be."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = (ImageCms.getProfileDescription(source) or "").strip()
        if name.lower().startswith("srgb"):
            return None
        if image.mode in ("RGBA", "LA"):  # opaque
            image = image.convert("RGB" if image.mode == "RGBA" else "L")
        made = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        notes.append("Its colour profile cannot be used; it is read as sRGB.")
        return None
    notes.append(
        Message(
            "Its colours were converted from the profile {profile} to sRGB.",
            profile=name or Message("without a name"),
        )
    )
    return made
