# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenEXR pictures: which channels are the colours, where they lie, and in which primaries they are.

Colours are R, G and B or luminance and chroma (Y, RY, BY), alone or in layers, views and parts; of several
the plain ones are read, else Blender's combined pass, else the left eye. The display window is the picture.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from sync_engine.interface.wording import Message
from sync_engine.pictures.picture import (
    BLACK_AROUND,
    CheckSize,
    ReadPicture,
    UnreadablePicture,
    placed,
    refuse_transparent,
)

REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""x and y of red, green, blue and white."""
SAME_PRIMARIES = 0.002
MOST_SAMPLES = 2**30
"""All channels of a file together: 4 GiB as floats."""
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
PREFERRED = (r"^$", r"(^|\.)combined$", r"(^|\.)(rgba?|beauty|left)$")
"""Names of layers whose colours are the picture, the best first."""


def read(path: Path, check_size: CheckSize) -> ReadPicture:
    """Read a whole EXR (``picture_files.check_picture`` has passed it) as linear light."""
    import OpenEXR

    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            _check_header(path, file, check_size)
        with OpenEXR.File(str(path), separate_channels=True) as file:
            return _read(path, file)
    except (RuntimeError, ValueError, TypeError) as error:  # what OpenEXR raises
        raise UnreadablePicture(
            path, Message("cannot be read ({reason})", reason=error), "Check the file."
        ) from error


def read_distances(path: Path, check_size: CheckSize) -> np.ndarray | None:
    """Return the distances ``(H, W)``, float32, of an EXR that has a depth pass; None where it has none.

    A depth pass is a channel Z, or one of a layer whose name has "depth" in it, as Blender writes it.
    """
    import OpenEXR

    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            _check_header(path, file, check_size)
        with OpenEXR.File(str(path), separate_channels=True) as file:
            named = [(part, name) for part in file.parts for name in part.channels]
            found = [(part, name) for part, name in named if _DEPTH.search(name)]
            if not found:
                return None
            part, name = found[0]
            x, y, width, height = _window(part.header["dataWindow"])
            pixels = _full(part.channels[name], x, y, width, height)
            left, top, full_width, full_height = _window(part.header["displayWindow"])
            return placed(pixels, x - left, y - top, full_width, full_height)
    except (RuntimeError, ValueError, TypeError) as error:  # what OpenEXR raises
        raise UnreadablePicture(
            path, Message("cannot be read ({reason})", reason=error), "Check the file."
        ) from error


_DEPTH = re.compile(r"(^|\.)Z$|(^|[._ ])depth([._ ]|$)", re.IGNORECASE)


def _check_header(path: Path, file: Any, check_size: CheckSize) -> None:
    samples = 0
    for part in file.parts:
        if "deep" in str(part.header.get("type")):
            raise UnreadablePicture(path, "is a deep picture", "Flatten it first.")
        (x_min, y_min), (x_max, y_max) = part.header["dataWindow"]
        samples += int(x_max - x_min + 1) * int(y_max - y_min + 1) * len(part.header["channels"])
    if not file.parts:
        raise UnreadablePicture(path, "cannot be read: it has no picture", "Check the file.")
    if samples > MOST_SAMPLES:
        raise UnreadablePicture(path, "holds too many channels to read", "Save the colours only.")
    _, _, width, height = _window(file.parts[0].header["displayWindow"])
    check_size(width, height)


def _window(window: Any) -> tuple[int, int, int, int]:
    """Return left, top, width, height."""
    (x_min, y_min), (x_max, y_max) = window
    return int(x_min), int(y_min), int(x_max - x_min + 1), int(y_max - y_min + 1)


def _read(path: Path, file: Any) -> ReadPicture:
    layers = _layers(file)
    name = _chosen(path, layers)
    part, found = layers[name]
    notes = [f"It holds several pictures; {name or 'the plain one'} is read."] if len(layers) > 1 else []
    if len(layers) == 1 and name:
        notes = [f"Its colours are those of {name}."]
    x, y, width, height = _window(part.header["dataWindow"])
    channels = {kind: _full(channel, x, y, width, height) for kind, channel in found.items()}
    if "A" in channels:
        refuse_transparent(path, float(np.nanmin(channels["A"])))
    primaries = tuple(float(v) for v in part.header.get("chromaticities", REC709))
    pixels = _colours(channels, primaries)
    left, top, full_width, full_height = _window(part.header["displayWindow"])
    if x > left or y > top or x + width < left + full_width or y + height < top + full_height:
        notes.append(BLACK_AROUND)
    pixels = placed(pixels, x - left, y - top, full_width, full_height)
    if max(abs(a - b) for a, b in zip(primaries, REC709, strict=True)) > SAME_PRIMARIES:
        with np.errstate(invalid="ignore"):
            pixels = (pixels @ to_rec709(primaries).T).astype(np.float32)
        notes.append("Its colours were converted to the primaries of Rec.709.")
    return ReadPicture(pixels, linear=True, notes=notes)


def _layers(file: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return what holds colours, by layer or view: its part, and its channels by R, G, B, A, Y, RY, BY."""
    groups: dict[str, tuple[Any, dict[str, Any]]] = {}
    plain_part = len(file.parts) == 1
    for part in file.parts:
        for full, channel in part.channels.items():
            # "ViewLayer.Combined.R", "left.R" or, of other writers, "R.left"
            words = full.split(".")
            at = next((i for i in (len(words) - 1, 0) if words[i].upper() in _KINDS), None)
            if at is None:
                continue
            kind = words.pop(at).upper()
            part_name = "" if plain_part else str(part.header.get("name", ""))
            layer = ".".join(word for word in (part_name, *words) if word)
            groups.setdefault(layer, (part, {}))[1][kind] = channel
    return {
        name: group for name, group in groups.items() if {"R", "G", "B"} <= set(group[1]) or "Y" in group[1]
    }


_KINDS = frozenset(("R", "G", "B", "A", "Y", "RY", "BY"))


def _chosen(path: Path, layers: dict[str, Any]) -> str:
    for pattern in PREFERRED:
        for name in layers:
            if re.search(pattern, name, re.IGNORECASE):
                return name
    if len(layers) == 1:
        return next(iter(layers))
    if not layers:
        raise UnreadablePicture(path, "has no colours R, G and B", "Give a colour picture.")
    shown = ", ".join(list(layers)[:8])
    raise UnreadablePicture(
        path, Message("holds several pictures ({shown})", shown=shown), "Save one of them alone."
    )


def _full(channel: Any, x: int, y: int, width: int, height: int) -> np.ndarray:
    """Return a channel as float32 ``(height, width)``; of a coarser one each sample stands for its block."""
    pixels = np.asarray(channel.pixels, dtype=np.float32)
    if channel.xSampling > 1 or channel.ySampling > 1:
        rows = (np.arange(y, y + height) // channel.ySampling - y // channel.ySampling).clip(
            0, len(pixels) - 1
        )
        columns = (np.arange(x, x + width) // channel.xSampling - x // channel.xSampling).clip(
            0, pixels.shape[1] - 1
        )
        pixels = pixels[rows][:, columns]
    return pixels


def _colours(channels: dict[str, np.ndarray], primaries: tuple[float, ...]) -> np.ndarray:
    if {"R", "G", "B"} <= set(channels):
        return np.stack([channels[name] for name in "RGB"], axis=-1)
    luminance = channels["Y"]
    if not {"RY", "BY"} <= set(channels):
        return np.repeat(luminance[..., None], 3, axis=-1)
    # https://openexr.com/en/latest/TechnicalIntroduction.html#luminance-chroma-images
    weights = rgb_to_xyz(primaries)[1]
    red, blue = (channels["RY"] + 1) * luminance, (channels["BY"] + 1) * luminance
    green = (luminance - red * weights[0] - blue * weights[2]) / weights[1]
    return np.stack([red, green, blue], axis=-1).astype(np.float32)


def rgb_to_xyz(primaries: tuple[float, ...]) -> np.ndarray:
    """Return the matrix from linear RGB of these primaries to XYZ, white having a luminance of 1."""
    x, y = np.array(primaries[0::2], dtype=np.float64), np.array(primaries[1::2], dtype=np.float64)
    xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    return xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])


def to_rec709(primaries: tuple[float, ...]) -> np.ndarray:
    """Return the matrix from linear RGB of these primaries to Rec.709, white to white (Bradford)."""
    try:
        source, target = rgb_to_xyz(primaries), rgb_to_xyz(REC709)
        cone_source, cone_target = BRADFORD @ source.sum(axis=1), BRADFORD @ target.sum(axis=1)
        adapt = np.linalg.solve(BRADFORD, np.diag(cone_target / cone_source) @ BRADFORD)
        matrix = np.linalg.solve(target, adapt @ source)
    except (np.linalg.LinAlgError, ZeroDivisionError) as error:
        raise ValueError("its chromaticities make no sense") from error
    if not np.isfinite(matrix).all():
        raise ValueError("its chromaticities make no sense")
    return matrix
