# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the head that tells how strong a panorama's lights are: ``sync_engine/radiance/light.safetensors``.

    python -m training.light --hdri ../shared/hdri --data ../shared/panoramas

Real HDR panoramas are clipped at luminance percentiles; the light that was lost is known. Procedural
ones with gain maps, the real ones with a part covered (``light_scenes.py``) and plain skies
(``plain_days.py``) are added with smaller weights. Takes some seven minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sync_engine.radiance import head
from sync_engine.radiance.directions import LUMINANCE, irradiance, normals, reduced
from sync_engine.radiance.expand import ANALYSIS_WIDTH, MOST_LIGHTS
from sync_engine.radiance.features import features
from sync_engine.radiance.lights import energy_map, energy_shares, find_lights, saturated
from sync_engine.radiance.srgb import from_linear, to_linear
from training import plain_days
from training.light_scenes import scenes

PERCENTILES = (0.99, 0.98, 0.97, 0.95)
PROCEDURAL_WEIGHT, COVERED_WEIGHT, PLAIN_WEIGHT = 0.8, 0.15, 0.3
PROCEDURAL_EVERY = 4
COVERED_SERIES = 2
"""How often the scenes of ``light_scenes.KINDS`` are made of each panorama."""
PLAIN_DAYS = 160
LEAST_LOSS = 0.02
"""A procedural picture that clipping hardly changes teaches nothing about strength."""
SAME_PLACE = {"sunset": "venice_sunset_1k", "night": "moonless_golf_1k"}
"""Two of Blender's panoramas are in the other set too: they are left out together."""
STRENGTHS = np.exp(np.linspace(np.log(head.LOWEST), np.log(head.HIGHEST), 60))


UNSURE = 0.8
"""Deviation of log k that a target has to bear: the head's own error."""
TOO_BAD, PENALTY = 1.05, 3.0
"""An error above this part of plain decode's is punished so much more than a better one is rewarded."""


@dataclass(frozen=True)
class Sample:
    """One clipped panorama.

    Attributes:
        features: the head's input ``(F,)``.
        ratios: error of irradiance with each k of STRENGTHS, over that of plain decode.
        place: its place's name.
        weight: 1 of a real panorama as it is.
    """

    features: np.ndarray
    ratios: np.ndarray
    place: str
    weight: float


def read_hdr(path: Path) -> np.ndarray:
    """Return a Radiance picture ``(H, W, 3)`` (run-length encoded RGBE, the common kind)."""
    _, _, rest = path.read_bytes().partition(b"\n\n")
    size, _, body = rest.partition(b"\n")
    words = size.split()
    height, width = int(words[1]), int(words[3])
    rgbe, at = np.empty((height, 4, width), dtype=np.uint8), 0
    data = np.frombuffer(body, dtype=np.uint8)
    for row in range(height):
        at += 4
        for channel in range(4):
            column = 0
            while column < width:
                count = int(data[at])
                run = count > 128
                count -= 128 if run else 0
                rgbe[row, channel, column : column + count] = data[at + 1 : at + 2 if run else at + 1 + count]
                at += 2 if run else 1 + count
                column += count
    pixels = rgbe.transpose(0, 2, 1).astype(np.float32)
    return pixels[..., :3] * np.where(pixels[..., 3:] > 0, np.exp2(pixels[..., 3:] - 136), 0)


def read_exr(path: Path) -> np.ndarray:
    """Return an EXR's colours ``(H, W, 3)``, float32."""
    import OpenEXR

    with OpenEXR.File(str(path)) as file:
        channels = file.channels()
        found = channels.get("RGB") or channels["RGBA"]
        return np.asarray(found.pixels, dtype=np.float32)[..., :3]


def real_panoramas(folder: Path, blender: Path | None) -> dict[str, np.ndarray]:
    """Return the real panoramas by name, none below zero."""
    found = {path.stem: read_hdr(path) for path in sorted(folder.glob("*.hdr"))}
    if blender is not None:
        found |= {path.stem: read_exr(path) for path in sorted(blender.glob("*.exr"))}
    return {name: np.maximum(picture, 0) for name, picture in found.items()}


def clipped(radiance: np.ndarray, percentile: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the 8-bit sRGB picture with white at a luminance percentile, and the radiance in its unit."""
    scaled = radiance / np.quantile(radiance @ LUMINANCE, percentile)
    return np.round(from_linear(np.clip(scaled, 0, 1)) * 255) / 255, scaled


def relative_error(given: np.ndarray, truth: np.ndarray) -> float:
    """Return the scale-invariant RMSE of irradiance over the mean of the true one."""
    best = (given * truth).sum() / (given**2).sum()
    return float(np.sqrt(np.mean((best * given - truth) ** 2)) / truth.mean())


def sample(
    srgb: np.ndarray, truth: np.ndarray, place: str, weight: float = 1.0, least_loss: float = 0.0
) -> Sample | None:
    """Return the features and what each k would do; None without a light, or where little is lost."""
    linear = to_linear(srgb)
    mask = reduced(saturated(srgb, linear).astype(np.float32), ANALYSIS_WIDTH) >= 0.5
    if not mask.any():
        return None
    light, picture = reduced(linear, ANALYSIS_WIDTH), reduced(srgb, ANALYSIS_WIDTH)
    lights = find_lights(mask)
    around = normals()
    shares = energy_shares(lights, MOST_LIGHTS)
    added = irradiance(reduced(energy_map(lights, shares), 128), around)
    ambient = irradiance(reduced(light @ LUMINANCE, 128), around)
    true = irradiance(reduced(reduced(truth, ANALYSIS_WIDTH) @ LUMINANCE, 128), around)
    direction = (shares[:, None] * lights.direction[: len(shares)]).sum(axis=0)
    added *= ambient[int(np.argmax(around @ direction))] / added.max()
    plain = relative_error(ambient, true)
    if plain < least_loss:
        return None
    ratios = np.array([relative_error(ambient + k * added, true) for k in STRENGTHS]) / plain
    return Sample(features(picture, light, lights), ratios, place, weight)


def target(ratios: np.ndarray) -> float:
    """Return the log k to aim at: with the least expected loss when the head is off by UNSURE.

    The loss is the log of the error over plain decode's, with a penalty where it gets worse than that. The k
    of the least error alone would teach much from panoramas where any k is as good, and nothing about risk.
    """
    loss = np.minimum(np.log(np.maximum(ratios, 0.02)) + PENALTY * np.maximum(ratios - TOO_BAD, 0), 3.0)
    step = np.log(STRENGTHS[1] / STRENGTHS[0])
    reach = int(3 * UNSURE / step)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / UNSURE) ** 2)
    expected = np.convolve(np.pad(loss, reach, "edge"), kernel / kernel.sum(), "valid")
    return float(np.log(STRENGTHS[int(np.argmin(expected))]))


def real_samples(panoramas: dict[str, np.ndarray]) -> list[Sample]:
    """Return the samples of the real panoramas at every percentile."""
    made = []
    for name, radiance in panoramas.items():
        for percentile in PERCENTILES:
            made.append(sample(*clipped(radiance, percentile), SAME_PLACE.get(name, name)))
    return [item for item in made if item is not None]


def covered_samples(panoramas: dict[str, np.ndarray]) -> list[Sample]:
    """Return samples of scenes made of the real panoramas, under these panoramas' names."""
    made = []
    for name, radiance in panoramas.items():
        for series in range(COVERED_SERIES):
            random = np.random.default_rng(zlib.crc32(name.encode()) + series)
            for number, scene in enumerate(scenes(reduced(radiance, ANALYSIS_WIDTH), random)):
                percentile = PERCENTILES[number % len(PERCENTILES)]
                made.append(sample(*clipped(scene, percentile), SAME_PLACE.get(name, name), COVERED_WEIGHT))
    return [item for item in made if item is not None]


def plain_samples() -> list[Sample]:
    """Return samples of plain days: what a painted sky is more like than a photograph."""
    random = np.random.default_rng(0)
    made = []
    for number in range(PLAIN_DAYS):
        percentile = plain_days.PERCENTILES[number % len(plain_days.PERCENTILES)]
        made.append(sample(*clipped(plain_days.day(random), percentile), f"day {number}", PLAIN_WEIGHT))
    return [item for item in made if item is not None]


def procedural_samples(data: Path) -> list[Sample]:
    """Return samples of a part of the procedural panoramas, each at a percentile of its own."""
    random = np.random.default_rng(0)
    made = []
    for line in (data / "index.jsonl").read_text(encoding="utf-8").splitlines()[::PROCEDURAL_EVERY]:
        name = json.loads(line)["id"]
        with Image.open(data / "ldr" / f"{name}.webp") as file:
            picture = np.asarray(file.convert("RGB").resize((512, 256), Image.Resampling.BOX)) / 255
        with Image.open(data / "gain" / f"{name}.webp") as file:
            stops = np.asarray(file.convert("RGB"))[..., :1] / 255 * 20
        radiance = (to_linear(picture) * np.exp2(stops)).astype(np.float32)
        percentile = (0.99, 0.98, 0.95)[random.integers(3)]
        made.append(sample(*clipped(radiance, percentile), name, PROCEDURAL_WEIGHT, LEAST_LOSS))
    return [item for item in made if item is not None]


def fit(samples: list[Sample]) -> dict[str, np.ndarray]:
    """Return the head's coefficients: kernel ridge regression, the noise of a sample over its weight."""
    values = np.array([item.features for item in samples])
    aims = np.array([target(item.ratios) for item in samples])
    weight = np.array([item.weight for item in samples])
    real = values[weight == 1]
    mean, deviation = real.mean(axis=0), real.std(axis=0) + 1e-6
    support = head.standardised(values, mean, deviation)
    bias = np.average(aims, weights=weight)
    noise = np.diag(head.RIDGE / weight)
    coefficients = np.linalg.solve(head.kernel(support, support) + noise, aims - bias)
    return {
        "mean": mean,
        "deviation": deviation,
        "support": support,
        "coefficients": coefficients,
        "bias": np.array([bias]),
    }


def main() -> None:
    """Command line."""
    from safetensors.numpy import save_file

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hdri", type=Path, default=Path("../shared/hdri"))
    parser.add_argument("--blender", type=Path, help="Blender's datafiles/studiolights/world")
    parser.add_argument("--data", type=Path, default=Path("../shared/panoramas"))
    parser.add_argument("--out", type=Path, default=head.WEIGHTS)
    options = parser.parse_args()
    panoramas = real_panoramas(options.hdri, options.blender)
    real = real_samples(panoramas)
    made = covered_samples(panoramas) + procedural_samples(options.data) + plain_samples()
    weights = fit(real + made)
    save_file({name: np.ascontiguousarray(v, dtype=np.float32) for name, v in weights.items()}, options.out)
    sys.stdout.write(f"{len(real)} real and {len(made)} made samples: {options.out}\n")


if __name__ == "__main__":
    main()
