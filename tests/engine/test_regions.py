# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions: masks on every canvas, prompts inside them, sync on the background, and words for bad masks."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.canvas.views import View
from sync_engine.common.errors import EngineError
from sync_engine.common.progress import Reporter
from sync_engine.diffusion.joint_loop import no_sync
from sync_engine.diffusion.prediction import NoiseLevel
from sync_engine.guiding.masks import GuideError, window_masks
from sync_engine.guiding.regions import Regions, background
from sync_engine.interface.embedded import read_spec
from sync_engine.interface.guides import Region, Sun
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.prompting import sun_in_prompt
from sync_engine.runtime.job import Engine
from sync_engine.sync.background import BackgroundSync
from tests.engine.pixel_jobs import read
from tests.small_models import tiny

CAP = Region(prompt="a church", azimuth=90, elevation=5, radius=25, feather=6)
DISC = Region(prompt="desert sunset", x=0.25, y=0.5, radius=0.4, feather=0.1)


def world(*guides: Region | Sun, **fields: object) -> EnvironmentSpec:
    return EnvironmentSpec("a calm sea", guides=guides, **fields).validated()  # type: ignore[arg-type]


def plate(*guides: Region, **fields: object) -> EnvironmentSpec:
    return EnvironmentSpec(
        "a calm sea", kind="plate", width=256, height=128, guides=guides, **fields
    ).validated()  # type: ignore[arg-type]


def white_from(path: Path, left: float, width: int = 256, height: int = 128) -> str:
    """Write a mask that is white from a share of its width on."""
    pixels = np.zeros((height, width), dtype=np.uint8)
    pixels[:, round(left * width) :] = 255
    Image.fromarray(pixels).save(path)
    return str(path)


@pytest.fixture(scope="module")
def sphere() -> SphereCanvas:
    return SphereCanvas(16, turn=30.0)


def test_a_cap_is_where_it_was_put_in_every_view(sphere: SphereCanvas) -> None:
    masks = Regions(world(CAP)).masks(sphere)[0]
    centre = View(90, 5, 90).axes()[0]
    for view, mask in zip(sphere.views, masks, strict=True):
        angle = torch.rad2deg(torch.acos((view.rays(16) @ centre).clamp(-1, 1))).reshape(16, 16)
        assert (mask[angle < 18] == 1).all()
        assert (mask[angle > 33] == 0).all()


def test_a_cap_is_antialiased_and_has_its_solid_angle() -> None:
    """On an equirectangular canvas the cells' solid angles add up to the cap's, wherever it is."""
    for elevation in (0.0, 60.0, 90.0):
        cap = Region(prompt="a", azimuth=170, elevation=elevation, radius=20, feather=0)
        whole = Regions(world(cap, projection="equirectangular")).masks(PlaneCanvas(64, 128, 128, 128))[0, 0]
        latitude = (torch.arange(64) + 0.5) / 64 * math.pi
        area = (whole * latitude.sin()[:, None]).sum() * (math.pi / 64) * (2 * math.pi / 128)
        assert float(area) == pytest.approx(2 * math.pi * (1 - math.cos(math.radians(20))), rel=0.04)
        assert elevation == 90 or bool(((whole > 0) & (whole < 1)).any())


def test_a_mask_picture_and_a_disc_on_a_plate(tmp_path: Path) -> None:
    canvas = PlaneCanvas(16, 32, 16, 8)
    picture = Region(prompt="a", mask=white_from(tmp_path / "m.png", 0.5))
    masks = Regions(plate(picture, DISC)).masks(canvas)
    columns = {left: number for number, (_, left) in enumerate(canvas.corners)}
    assert (masks[0, columns[16]] == 1).all()
    assert float(masks[0, columns[0], :, :15].max()) < 0.01
    assert float(masks[1, columns[0], 8, 8]) == 1.0
    assert float(masks[1, columns[16]].max()) == 0.0
    rest = background(masks)
    assert torch.equal(rest[columns[16]], torch.zeros(16, 16))


def test_a_mask_of_a_world_wraps(tmp_path: Path, sphere: SphereCanvas) -> None:
    """White on the right quarter is azimuth -180 to -90, whatever view looks at it."""
    picture = Region(prompt="a", mask=white_from(tmp_path / "m.png", 0.75))
    masks = Regions(world(picture)).masks(sphere)[0]
    for view, mask in zip(sphere.views, masks, strict=True):
        x, y, z = view.rays(16).unbind(dim=1)
        azimuth = torch.rad2deg(torch.atan2(y, x)).reshape(16, 16)
        level = (z.abs() < 0.8).reshape(16, 16)  # a cell at a pole sees all azimuths
        assert (mask[level & (azimuth > -165) & (azimuth < -105)] > 0.9).all()
        assert (mask[level & (azimuth > -75) & (azimuth < 165)] < 0.1).all()


def test_16_bit_masks_are_read(tmp_path: Path) -> None:
    pixels = np.zeros((128, 256), dtype=np.uint16)
    pixels[:, 128:] = 65535
    Image.fromarray(pixels).save(tmp_path / "m.png")
    masks = Regions(plate(Region(prompt="a", mask=str(tmp_path / "m.png")))).masks(PlaneCanvas(16, 32, 16, 8))
    assert float(masks.max()) == 1.0


@pytest.mark.parametrize(
    ("left", "size", "words"),
    [(1.0, (256, 128), "black"), (0.0, (256, 128), "white"), (0.5, (128, 128), "another shape")],
)
def test_a_bad_mask_is_told_before_a_model_is_loaded(
    tmp_path: Path, left: float, size: tuple[int, int], words: str
) -> None:
    mask = white_from(tmp_path / "m.png", left, *size)
    spec = plate(Region(prompt="a", mask=mask))
    with pytest.raises(EngineError, match=words) as raised:
        Regions(spec)
    assert raised.value.hint
    with pytest.raises(EngineError, match=r"none\.png"):
        Regions(plate(Region(prompt="a", mask=str(tmp_path / "none.png"))))
    rgba = np.zeros((128, 256, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    with pytest.raises(EngineError, match="transparent"):
        Regions(plate(Region(prompt="a", mask=str(tmp_path / "alpha.png"))))


def test_regions_that_no_cell_can_show() -> None:
    canvas = PlaneCanvas(16, 32, 16, 8)
    with pytest.raises(GuideError, match="smaller than a latent cell"):
        Regions(plate(dataclasses.replace(DISC, radius=0.02, feather=0.0))).masks(canvas)
    gap = PlaneCanvas(16, 32, 16, 8, starts=lambda *_: [0])
    with pytest.raises(GuideError, match="outside of every window"):
        Regions(plate(dataclasses.replace(DISC, x=0.9, radius=0.2))).masks(gap)


def test_only_windows_that_see_a_region_have_its_entry(backbone, sphere: SphereCanvas) -> None:
    regions = Regions(world(CAP))
    found = regions.conditioning(backbone, sphere, ["a calm sea"] * len(sphere.views), 3.0)
    seen = regions.masks(sphere)[0].flatten(1).any(dim=1)
    for window in range(len(sphere.views)):
        entries = found.entries_of(window)
        assert len(entries) == (2 if seen[window] else 1)
        assert (entries[0].mask is None) == (not seen[window])
    assert 0 < int(seen.sum()) < len(seen)


def test_a_region_sees_its_own_picture_outside_its_mask_at_first(backbone) -> None:
    canvas = PlaneCanvas(16, 32, 16, 8)
    regions = Regions(plate(DISC))
    found = regions.conditioning(backbone, canvas, ["a calm sea"] * len(canvas.corners), 3.0)
    guide, entries = regions.guide(10), found.entries_of(0)
    level, later = NoiseLevel(0.6, 0.8, "epsilon"), NoiseLevel(0.8, 0.6, "epsilon")
    windows = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(guide.change_windows(0, level, windows, entries), windows), "both begin alike"
    clean = torch.stack([torch.zeros(4, 16, 16), torch.full((4, 16, 16), 2.0)])
    guide.see_clean(0, level, windows, clean, entries)
    for _ in range(2):  # as often as a method asks
        kept, changed = guide.change_windows(1, later, windows, entries)
        assert torch.equal(kept, windows[0]), "the background"
        inside = entries[1].mask > 0.5
        assert torch.equal(changed[:, inside], windows[1][:, inside])
        noise = (windows[1] - level.alpha * clean[1]) / level.sigma
        torch.testing.assert_close(changed[:, ~inside], later.noised(clean[1], noise)[:, ~inside])
        guide.see_clean(1, later, windows, clean + 1, entries)
    assert torch.equal(guide.change_windows(5, level, windows, entries), windows), "half of the steps"
    assert [guide.holds_state(step) for step in (1, 4, 5)] == [True, True, False]


def test_sync_leaves_regions_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(3, 4, 8, 8, generator=generator)
    weights = torch.ones(3, 8, 8)
    weights[1, :, 4:] = 0

    def to_mean(step, windows, x0, rows, predict):
        return None, x0 + 0.5 * (x0.mean(dim=0, keepdim=True) - x0)

    _, after = BackgroundSync(to_mean, weights)(0, x0, x0, [[0, 1, 2]], lambda w, i: w)
    assert torch.equal(after[1, :, :, 4:], x0[1, :, :, 4:])
    expected = x0[[0, 2], :, :, 4:].mean(dim=0)  # what the region shows is not in the mean
    torch.testing.assert_close(after[0, :, :, 4:], (x0[0, :, :, 4:] + expected) / 2)
    other = x0.clone()
    other[1, :, :, 4:] += 5
    _, again = BackgroundSync(to_mean, weights)(0, other, other, [[0, 1, 2]], lambda w, i: w)
    torch.testing.assert_close(again[[0, 2]], after[[0, 2]])
    assert BackgroundSync(no_sync, weights)(0, x0, x0, [[0, 1, 2]], lambda w, i: w)[1].equal(x0)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["multidiffusion", "sync", "sync-paper"])
def test_a_job_changes_its_region_and_keeps_its_mask(tmp_path: Path, tiny_folder: Path, method: str) -> None:
    mask = white_from(tmp_path / "mask.png", 0.75)
    pictures = {}
    for name, guides in (("plain", ()), ("region", (Region(prompt="desert sunset", mask=mask),))):
        spec = tiny.plate_spec(tiny_folder, method=method, steps=3)
        spec = dataclasses.replace(spec, width=256, height=128, guides=guides).validated()
        Engine().run(spec, tmp_path / name, Reporter("job", lambda event: None))
        pictures[name] = read(tmp_path / name, "plate")
    change = np.abs(pictures["plain"] - pictures["region"]).mean(axis=(0, 2))
    assert change[192:].mean() > 0.5
    record = json.loads((tmp_path / "region" / "spec.json").read_text())
    (about,) = record["guide_files"]
    assert about["copy"] == "guide-0.png"
    assert len(about["sha256"]) == 64
    Path(mask).unlink()
    (again,) = read_spec(tmp_path / "region").guides
    assert isinstance(again, Region)
    assert Path(again.mask) == tmp_path / "region" / "guide-0.png"


@pytest.mark.slow
def test_a_world_with_a_cap_and_a_sun_is_painted(tmp_path: Path, tiny_folder: Path) -> None:
    spec = dataclasses.replace(
        tiny.plate_spec(tiny_folder, method="sync", steps=2),
        kind="world",
        width=256,
        height=None,
        guides=(dataclasses.replace(CAP, prompt="desert sunset"), Sun(azimuth=-40, elevation=20)),
    ).validated()
    Engine().run(spec, tmp_path / "out", Reporter("job", lambda event: None))
    assert np.isfinite(read(tmp_path / "out", "world")).all()
    assert read_spec(tmp_path / "out").guides == spec.guides


def test_the_sun_stands_where_it_was_asked_for() -> None:
    sun = Sun(azimuth=-40, elevation=20)
    canvas = SphereCanvas(8, turn=sun_in_prompt.yaw_towards(sun, 5))
    sky = sun_in_prompt.sky_of("overcast sea", 5, canvas.views, sun)
    assert sky == sun_in_prompt.Luminary("sun", -40, 20)
    nearest = [view for view in canvas.views if view.elevation == 0]
    assert min(abs((view.azimuth + 40 + 180) % 360 - 180) for view in nearest) < 1e-6
    light = sun_in_prompt.known_light("overcast sea", sky, {}, dataclasses.replace(sun, strength=2.0))
    assert light is not None
    np.testing.assert_allclose(light.direction, View(-40, 20, 90).axes()[0])
    assert light.strength == pytest.approx(2 * sun_in_prompt.strength_at(20))
    none = sun_in_prompt.sky_of("sunset", 5, canvas.views, Sun())
    assert none is None
    dark = sun_in_prompt.known_light("sunset", none, {}, Sun())
    assert dark is not None
    assert dark.direction is None


def test_fields_do_not_depend_on_the_window(sphere: SphereCanvas) -> None:
    """Where two views look at the same place they agree on the mask."""
    masks = window_masks(Regions(world(dataclasses.replace(CAP, elevation=90, radius=30)))._fields[0], sphere)
    zenith = [n for n, view in enumerate(sphere.views) if view.elevation == 90]
    first, second = (masks[n].sum() for n in zenith)
    assert float(first) == pytest.approx(float(second), rel=0.02)


@pytest.mark.slow
def test_two_regions_may_fill_everything(tmp_path: Path, tiny_folder: Path) -> None:
    """Nothing of the whole's prompt is left; the picture is made all the same."""
    pixels = np.zeros((128, 256), dtype=np.uint8)
    pixels[:, :128] = 255
    files = [tmp_path / "left.png", tmp_path / "right.png"]
    Image.fromarray(pixels).save(files[0])
    Image.fromarray(255 - pixels).save(files[1])
    halves = tuple(Region(prompt=f"half {n}", mask=str(file)) for n, file in enumerate(files))
    spec = tiny.plate_spec(tiny_folder, method="sync", steps=2)
    spec = dataclasses.replace(spec, width=256, height=128, guides=halves).validated()
    Engine().run(spec, tmp_path / "out", Reporter("job", lambda event: None))
    assert np.isfinite(read(tmp_path / "out", "plate")).all()
